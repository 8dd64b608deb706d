"""Who opens a socket: a browser's session, a one-time ticket or an API key, and whether it still counts later."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.http import HttpRequest
from django.utils import timezone

from apps.accounts.login.open_mode import stand_in
from apps.accounts.login.store import SessionStore
from apps.accounts.models import ApiKey, Session, User
from apps.accounts.selectors import key_for, why_shut
from apps.accounts.services import key_used
from apps.environments.access import Actor, actor_of_key, actor_of_stranger, actor_of_user
from apps.environments.models import SocketTicket
from apps.environments.services import ticket_redeem
from apps.realtime.origin import Scope, client_address, header

LIFE = 1.0
_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The proof that opened a socket, kept so that it can be looked at again: exactly one of the first three is set.

    `login` is the session that an account's ticket was got with; `is_open` is a stranger, who counts as the account
    while access control is off.
    """

    session: str = ""
    account: int | None = None
    key: int | None = None
    address: str = ""
    ticket: SocketTicket | None = None
    login: int | None = None
    is_open: bool = False

    def actor(self) -> Actor | None:
        """Who that is now; None once logged out, deactivated, or the key is taken away."""
        if self.key is not None:
            key = ApiKey.objects.select_related("account").filter(pk=self.key).first()
            usable = key is not None and not why_shut(key, self.address)
            return actor_of_key(key, "api", address=self.address) if key is not None and usable else None
        if self.is_open or self.login is not None:
            return self._borrowed()
        user = _session_user(self.session) if self.session else User.objects.filter(pk=self.account or 0).first()
        if user is None or not user.is_active:
            return None
        return actor_of_user(user, "console", address=self.address)

    def proof(self, environment_id: int | None) -> tuple[Any, ...]:
        """What rights in an environment are remembered by."""
        return (self.session, self.account, self.key, self.login, self.is_open, environment_id)

    def _borrowed(self) -> Actor | None:
        """The account, as long as what its socket was opened with still counts."""
        if self.is_open:
            user = stand_in()
            return actor_of_stranger(user, "console", address=self.address) if user is not None else None
        alive = Session.objects.select_related("account").filter(pk=self.login or 0, expires__gt=timezone.now()).first()
        user = alive.account if alive is not None else None
        return actor_of_user(user, "console", address=self.address) if user is not None and user.is_active else None


def enter(scope: Scope, verb: str) -> Caller | None:
    """The caller behind a handshake for `verb`, or None; a ticket that is shown must be good."""
    address = client_address(scope)
    query = scope["query"]
    token = query.get("ticket") or query.get("token")
    if token:
        return _by_ticket(token, verb, address)
    authorization = header(scope, "authorization")
    if authorization:
        return _by_key(authorization, address) or _stranger(scope, address)
    session = _session_cookie(scope) if header(scope, "origin") else ""
    known = Caller(session=session, address=address) if session and _session_user(session) else None
    return known or _stranger(scope, address)


def _stranger(scope: Scope, address: str) -> Caller | None:
    """Somebody who proved nothing: the administrator while access control is off, unless they ask to be checked."""
    if header(scope, "x-enforce-authentication").lower() == "true" or stand_in() is None:
        return None
    return Caller(address=address, is_open=True)


def _by_ticket(token: str, verb: str, address: str) -> Caller | None:
    ticket = ticket_redeem(token, verb)
    if ticket is None:
        return None
    account = None if ticket.key_id else ticket.account_id
    return Caller("", account, ticket.key_id, address, ticket, ticket.session_id, ticket.is_open)


def _by_key(authorization: str, address: str) -> Caller | None:
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        public, _, secret = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    key = key_for(public, secret, address)
    if key is None:
        return None
    key_used(key, address)
    return Caller(key=key.pk, address=address)


def _session_cookie(scope: Scope) -> str:
    try:
        morsel = SimpleCookie(header(scope, "cookie")).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _session_user(session: str) -> User | None:
    """As Django finds the user of a request: the session must be alive and match the account's present password."""
    request = HttpRequest()
    request.session = SessionStore(session)
    user = get_user(request)
    return user if isinstance(user, User) else None


@dataclass(frozen=True, slots=True)
class Rights:
    """What a caller held in an environment at the monotonic time `at`; None when it was nobody."""

    at: float
    held: frozenset[str] | None


_known: dict[tuple[Any, ...], Rights] = {}


def rights_known(caller: Caller, environment_id: int | None, age: float = LIFE) -> Rights | None:
    """What was found out `age` seconds ago at most, without asking the database."""
    found = _known.get(caller.proof(environment_id))
    return found if found is not None and time.monotonic() - found.at < age else None


def rights(caller: Caller, environment_id: int | None) -> Rights:
    """What the caller may do in the environment now.

    Environment None stands for what concerns the whole installation: administrators hold `admin` there.
    """
    began = time.monotonic()
    found = Rights(began, _look(caller, environment_id))
    if len(_known) > _MOST_KNOWN:
        _known.clear()
    _known[caller.proof(environment_id)] = found
    return found


def _look(caller: Caller, environment_id: int | None) -> frozenset[str] | None:
    actor = caller.actor()
    if actor is None:
        return None
    if environment_id is None:
        return frozenset({"admin"}) if actor.is_admin else frozenset()
    return actor.permissions(environment_id)
