"""What a socket, or a request by a ticket, acts as: kept to be checked again while it lasts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.login.open_mode import open_mode_user
from apps.accounts.login.store import SessionStore
from apps.accounts.models import ApiKey, Session, User
from apps.accounts.selectors import key_refusal
from apps.environments.actor import Actor, actor_of_anonymous, actor_of_key, actor_of_user
from apps.environments.models import SocketTicket
from apps.environments.services import ticket_redeem


@dataclass(frozen=True, slots=True)
class SocketCredentials:
    """What a socket was opened with, kept to be checked again; at most one of the first three fields is set.

    `login_session` is the session in which the ticket of an account was issued; `via_open_mode` means an anonymous
    visitor, who acts as the open-mode account while access control is off.
    """

    session: str = ""
    account: int | None = None
    key: int | None = None
    address: str = ""
    ticket: SocketTicket | None = None
    login_session: int | None = None
    via_open_mode: bool = False

    def actor(self) -> Actor | None:
        """The actor as of now; None once logged out, deactivated, or when the key is no longer valid."""
        if self.key is not None:
            key = ApiKey.objects.select_related("account").filter(pk=self.key).first()
            usable = key is not None and not key_refusal(key, self.address)
            return actor_of_key(key, "api", address=self.address) if key is not None and usable else None
        if self.via_open_mode or self.login_session is not None:
            return self._delegated_actor()
        user = session_user(self.session) if self.session else User.objects.filter(pk=self.account or 0).first()
        if user is None or not user.is_active:
            return None
        return actor_of_user(user, "console", address=self.address)

    def cache_key(self, environment_id: int | None) -> tuple[Any, ...]:
        """The key under which permissions in an environment are cached."""
        return (self.session, self.account, self.key, self.login_session, self.via_open_mode, environment_id)

    def _delegated_actor(self) -> Actor | None:
        """The actor behind open mode or a ticket, while open mode or the session of the ticket lasts."""
        if self.via_open_mode:
            user = open_mode_user()
            return actor_of_anonymous(user, "console", address=self.address) if user is not None else None
        login_row = (
            Session.objects.select_related("account")
            .filter(pk=self.login_session or 0, expires__gt=timezone.now())
            .first()
        )
        user = login_row.account if login_row is not None else None
        return actor_of_user(user, "console", address=self.address) if user is not None and user.is_active else None


def credentials_of_ticket(ticket_token: str, verb: str, address: str) -> SocketCredentials | None:
    """The credentials behind a ticket for `verb`, which is used up; None if it is not valid."""
    ticket = ticket_redeem(ticket_token, verb)
    if ticket is None:
        return None
    account = None if ticket.key_id else ticket.account_id
    return SocketCredentials("", account, ticket.key_id, address, ticket, ticket.session_id, ticket.via_open_mode)


def session_user(session: str) -> User | None:
    """The user of a session as Django finds it: alive, and with the hash of the current password."""
    request = HttpRequest()
    request.session = SessionStore(session)
    user = get_user(request)
    return user if isinstance(user, User) else None
