"""Django's session engine on our own table: rows belong to accounts, and keys are kept as digests."""

from __future__ import annotations

from typing import Any, Self

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.login.models import Session, digest_of
from apps.accounts.login.session_limits import ANONYMOUS_SESSION_LIFETIME, session_lifetime

Origin = dict[str, Any]
_ORIGIN = ("address", "agent", "via", "provider", "created", "last_seen", "expires", "confirmed")


class SessionStore(SessionBase):
    """One session. `row` is its row once it was read; `origin` is what the next `save` writes beside the data."""

    row: Session | None = None
    origin: Origin | None = None

    def load(self) -> dict[str, Any]:
        """The session's data; one that ended, or never existed, is empty and loses its key."""
        self.row = self._alive(self.session_key).first() if self.session_key else None
        if self.row is None:
            self._session_key = None
            return {}
        data = self.decode(self.row.data)
        return data if str(data.get(SESSION_KEY, "")) == str(self.row.account_id or "") else {}

    def _alive(self, key: str | None) -> Any:
        return Session.objects.filter(digest=digest_of(key or ""), expires__gt=timezone.now())

    def exists(self, session_key: str | None = None) -> bool:
        """Whether there is a session with this key."""
        return bool(session_key) and Session.objects.filter(digest=digest_of(str(session_key))).exists()

    def create(self) -> None:
        """A new session under an unused key."""
        while True:
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Write the data, and the session's origin if it just began.

        Raises `CreateError` when the new key is taken, `UpdateError` when the session was ended meanwhile.
        """
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        columns = {"data": self.encode(data), "account_id": data.get(SESSION_KEY)}
        if must_create:
            self._insert(columns)
            return
        columns |= self.origin or {}
        if not Session.objects.filter(digest=digest_of(self.session_key)).update(**columns):
            raise UpdateError

    def _insert(self, columns: dict[str, Any]) -> None:
        try:
            with transaction.atomic():
                self.row = Session.objects.create(
                    digest=digest_of(str(self.session_key)),
                    expires=timezone.now() + ANONYMOUS_SESSION_LIFETIME,
                    **columns,
                )
        except IntegrityError:
            raise CreateError from None

    def begin(self, *, address: str, agent: str, via: str, provider: str) -> None:
        """Start the session of somebody who has just logged in."""
        now = timezone.now()
        self.origin = {
            "address": address[:64],
            "agent": agent[:255],
            "via": via,
            "provider": provider,
            "created": now,
            "last_seen": now,
            "confirmed": now,
            "expires": session_lifetime().expires_at(now, now),
        }

    def cycle_key(self) -> None:
        """A new key for the same session."""
        self._get_session()  # type: ignore[attr-defined]
        if self.origin is None and self.row is not None and self.row.account_id is not None:
            self.origin = {name: getattr(self.row, name) for name in _ORIGIN}
        super().cycle_key()

    def delete(self, session_key: str | None = None) -> None:
        """End the session with this key, or this one."""
        key = session_key or self.session_key
        if key:
            Session.objects.filter(digest=digest_of(key)).delete()

    def get_expiry_age(self, **_: Any) -> int:
        """Seconds for which a browser keeps the cookie."""
        return int(session_lifetime().max_age.total_seconds())

    @classmethod
    def clear_expired(cls) -> None:
        """Delete expired sessions."""
        Session.objects.filter(expires__lt=timezone.now()).delete()

    @classmethod
    def of(cls, key: str) -> Self:
        """The session with this key, read."""
        store = cls(key)
        store._get_session()  # type: ignore[attr-defined]
        return store
