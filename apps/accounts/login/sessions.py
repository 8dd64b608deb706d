"""Beginning, using and ending sessions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.login.models import Session, digest_of
from apps.accounts.login.session_limits import max_sessions, session_lifetime
from apps.accounts.login.store import SessionStore
from apps.accounts.models import User
from apps.core import hooks
from apps.core.hooks import ActorProtocol
from apps.core.services import require_person

LOCAL_BACKEND = "apps.accounts.providers.LocalBackend"
LAST_SEEN_INTERVAL = timedelta(minutes=1)


def on_user_logged_in(sender: Any, request: HttpRequest, user: User, **_: Any) -> None:  # noqa: ARG001 - Django's signal
    """Django's signal of a login: begin the browser's session, and end the ones beyond the limit."""
    store: Any = request.session
    backend = str(store.get("_auth_user_backend", LOCAL_BACKEND))
    address, agent = str(request.META.get("REMOTE_ADDR", "")), str(request.META.get("HTTP_USER_AGENT", ""))
    with session_beginning(user, store):
        store.begin(address=address, agent=agent, via="console", provider=session_provider_kind(user, backend))


def session_provider_kind(user: User, backend: str) -> str:
    """The kind of provider through which this backend accepted the account."""
    if backend == LOCAL_BACKEND:
        return "local"
    person = user.identities.select_related("provider").first()
    return person.provider.kind if person else ""


@contextmanager
def session_beginning(user: User, store: SessionStore) -> Iterator[None]:
    """Enter this to begin a session: it is saved, and those beyond the limit end.

    Log-ins of one account wait for each other; else two at once would both stay, or end each other.
    """
    with transaction.atomic():
        User.all_objects.select_for_update(no_key=True).get(pk=user.pk)
        yield
        store.save()
        enforce_session_limit(user, store)


def enforce_session_limit(user: User, store: SessionStore) -> int:
    """End the sessions of an account beyond the setting, longest unused first; delete expired ones of all accounts."""
    SessionStore.clear_expired()
    limit = max_sessions()
    if not limit:
        return 0
    others = sessions_of(user).exclude(digest=digest_of(str(store.session_key)))
    return _end(user.pk, others.filter(pk__in=list(others.values_list("pk", flat=True)[limit - 1 :])))


def sessions_of(user: User) -> QuerySet[Session]:
    """The sessions of an account that are not expired, the one used last first."""
    return Session.objects.filter(account=user, expires__gt=timezone.now())


def all_sessions() -> QuerySet[Session]:
    """The sessions of all accounts, with their accounts."""
    alive = Session.objects.filter(account__isnull=False, expires__gt=timezone.now())
    return alive.select_related("account")


def record_session_activity(store: SessionStore) -> bool:
    """Record that a person (not a page's polling) used a session; ends it and returns False once its time is over.

    A time-out that was shortened meanwhile takes effect here.
    """
    store.get("")  # loads the row
    row, now = store.row, timezone.now()
    if row is None or row.account_id is None or now - row.last_seen < LAST_SEEN_INTERVAL:
        return True
    lifetime = session_lifetime()
    if lifetime.expires_at(row.created, row.last_seen) <= now:
        store.flush()
        return False
    row.last_seen, row.expires = now, lifetime.expires_at(row.created, now)
    Session.objects.filter(pk=row.pk).update(last_seen=row.last_seen, expires=row.expires)
    return True


def session_end(session: Session, *, actor: ActorProtocol) -> None:
    """End one session; the caller has checked that the actor may see it. Raises `Forbidden` for keys."""
    require_person(actor)
    hooks.record("session.end", actor=actor, row=session.account, request={"via": session.via, "id": session.pk})
    _end(session.account_id or 0, Session.objects.filter(pk=session.pk))


def sessions_end_others(user: User, *, keep: str, actor: ActorProtocol) -> int:
    """End all sessions of an account but the one with the key `keep`; returns how many. `Forbidden` for keys."""
    require_person(actor)
    count = sessions_close(user, keep=keep)
    hooks.record("session.endall", actor=actor, row=user, request={"ended": count})
    return count


def sessions_close(user: User, *, keep: str = "") -> int:
    """End the sessions of an account at once, with their sockets, except the one with key `keep`; returns how many."""
    return _end(user.pk, sessions_of(user).exclude(digest=digest_of(keep)))


def sessions_of_provider_close(kind: str) -> int:
    """End the sessions that began through a login provider; returns how many."""
    found = Session.objects.filter(provider=kind, account__isnull=False)
    accounts = set(found.values_list("account_id", flat=True))
    count = found.count()
    found.delete()
    for account in accounts:
        hooks.account_changed(account or 0)
    return count


def _end(account: int, found: QuerySet[Session]) -> int:
    count = found.filter(expires__gt=timezone.now()).count()
    found.delete()
    hooks.account_changed(account)
    return count
