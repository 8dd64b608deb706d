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

from apps.accounts.login.open_mode import open_mode_user
from apps.accounts.login.store import SessionStore
from apps.accounts.models import ApiKey, Session, User
from apps.accounts.selectors import find_usable_key, key_refusal
from apps.accounts.services import record_key_use
from apps.environments.actor import (
    Actor,
    actor_of_anonymous,
    actor_of_key,
    actor_of_user,
)
from apps.environments.models import SocketTicket
from apps.environments.services import ticket_redeem
from apps.realtime.origin import Scope, client_address, header

CACHE_SECONDS = 1.0
_MOST_KNOWN = 10_000


@dataclass(frozen=True, slots=True)
class SocketCredentials:
    """The proof that opened a socket, kept so that it can be looked at again: exactly one of the first three is set.

    `login_session` is the session that an account's ticket was got with; `via_open_mode` is a stranger, who counts as
    the account while access control is off.
    """

    session: str = ""
    account: int | None = None
    key: int | None = None
    address: str = ""
    ticket: SocketTicket | None = None
    login_session: int | None = None
    via_open_mode: bool = False

    def actor(self) -> Actor | None:
        """Who that is now; None once logged out, deactivated, or the key is taken away."""
        if self.key is not None:
            key = ApiKey.objects.select_related("account").filter(pk=self.key).first()
            usable = key is not None and not key_refusal(key, self.address)
            return actor_of_key(key, "api", address=self.address) if key is not None and usable else None
        if self.via_open_mode or self.login_session is not None:
            return self._delegated_actor()
        user = _session_user(self.session) if self.session else User.objects.filter(pk=self.account or 0).first()
        if user is None or not user.is_active:
            return None
        return actor_of_user(user, "console", address=self.address)

    def cache_key(self, environment_id: int | None) -> tuple[Any, ...]:
        """What rights in an environment are remembered by."""
        return (self.session, self.account, self.key, self.login_session, self.via_open_mode, environment_id)

    def _delegated_actor(self) -> Actor | None:
        """The account, as long as what its socket was opened with still counts."""
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


def authenticate(scope: Scope, verb: str) -> SocketCredentials | None:
    """The caller behind a handshake for `verb`, or None; a ticket that is shown must be good."""
    address = client_address(scope)
    query = scope["query"]
    ticket_token = query.get("ticket") or query.get("token")
    if ticket_token:
        return _ticket_credentials(ticket_token, verb, address)
    authorization = header(scope, "authorization")
    if authorization:
        return _key_credentials(authorization, address) or _anonymous_credentials(scope, address)
    session = _session_cookie(scope) if header(scope, "origin") else ""
    known = SocketCredentials(session=session, address=address) if session and _session_user(session) else None
    return known or _anonymous_credentials(scope, address)


def _anonymous_credentials(scope: Scope, address: str) -> SocketCredentials | None:
    """Somebody who proved nothing: the administrator while access control is off, unless they ask to be checked."""
    if header(scope, "x-enforce-authentication").lower() == "true" or open_mode_user() is None:
        return None
    return SocketCredentials(address=address, via_open_mode=True)


def _ticket_credentials(ticket_token: str, verb: str, address: str) -> SocketCredentials | None:
    ticket = ticket_redeem(ticket_token, verb)
    if ticket is None:
        return None
    account = None if ticket.key_id else ticket.account_id
    return SocketCredentials("", account, ticket.key_id, address, ticket, ticket.session_id, ticket.via_open_mode)


def _key_credentials(authorization: str, address: str) -> SocketCredentials | None:
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        public, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    key = find_usable_key(public, secret, address)
    if key is None:
        return None
    record_key_use(key, address)
    return SocketCredentials(key=key.pk, address=address)


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
class PermissionSnapshot:
    """What a caller held in an environment at the monotonic time `at`; None when it was nobody."""

    at: float
    permissions: frozenset[str] | None


_cache: dict[tuple[Any, ...], PermissionSnapshot] = {}


def cached_permissions(
    credentials: SocketCredentials, environment_id: int | None, age: float = CACHE_SECONDS
) -> PermissionSnapshot | None:
    """What was found out `age` seconds ago at most, without asking the database."""
    found = _cache.get(credentials.cache_key(environment_id))
    return found if found is not None and time.monotonic() - found.at < age else None


def load_permissions(credentials: SocketCredentials, environment_id: int | None) -> PermissionSnapshot:
    """What the caller may do in the environment now.

    Environment None stands for what concerns the whole installation: administrators hold `admin` there.
    """
    began = time.monotonic()
    found = PermissionSnapshot(began, _current_permissions(credentials, environment_id))
    if len(_cache) > _MOST_KNOWN:
        _cache.clear()
    _cache[credentials.cache_key(environment_id)] = found
    return found


def _current_permissions(credentials: SocketCredentials, environment_id: int | None) -> frozenset[str] | None:
    actor = credentials.actor()
    if actor is None:
        return None
    if environment_id is None:
        return frozenset({"admin"}) if actor.is_admin else frozenset()
    return actor.permissions(environment_id)
