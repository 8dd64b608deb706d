"""Authentication of sockets by session cookie, one-time ticket or API key, and cached permission checks."""

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

from apps.accounts.login.open_mode import open_mode_user, open_mode_user_at
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
_MAX_CACHED = 10_000


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
        user = _session_user(self.session) if self.session else User.objects.filter(pk=self.account or 0).first()
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


def authenticate(scope: Scope, verb: str) -> SocketCredentials | None:
    """The credentials of a handshake for `verb`, or None; an invalid ticket never falls back to a session."""
    address = client_address(scope)
    query = scope["query"]
    ticket_token = query.get("ticket") or query.get("token")
    if ticket_token:
        return _ticket_credentials(ticket_token, verb, address)
    authorization = header(scope, "authorization")
    if authorization:  # as on v1, a wrong key is an anonymous caller in open mode, not an error
        return _key_credentials(authorization, address) or _anonymous_credentials(scope, address)
    # Cookies count only together with an Origin, which the Origin check has compared by now.
    session = _session_cookie(scope) if header(scope, "origin") else ""
    credentials = SocketCredentials(session=session, address=address) if session and _session_user(session) else None
    return credentials or _anonymous_credentials(scope, address)


def _anonymous_credentials(scope: Scope, address: str) -> SocketCredentials | None:
    """In open mode the credentials of an anonymous caller, unless the caller asks to be authenticated."""
    if header(scope, "x-enforce-authentication").lower() == "true" or open_mode_user_at(header(scope, "host")) is None:
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
    """The user of a session as Django finds it: alive, and with the hash of the current password."""
    request = HttpRequest()
    request.session = SessionStore(session)
    user = get_user(request)
    return user if isinstance(user, User) else None


@dataclass(frozen=True, slots=True)
class PermissionSnapshot:
    """The permissions in an environment at the monotonic time `at`; None if the credentials were not valid."""

    at: float
    permissions: frozenset[str] | None
    is_admin: bool = False


_cache: dict[tuple[Any, ...], PermissionSnapshot] = {}


def cached_permissions(
    credentials: SocketCredentials, environment_id: int | None, age: float = CACHE_SECONDS
) -> PermissionSnapshot | None:
    """A snapshot that is at most `age` seconds old, without asking the database."""
    found = _cache.get(credentials.cache_key(environment_id))
    return found if found is not None and time.monotonic() - found.at < age else None


def load_permissions(credentials: SocketCredentials, environment_id: int | None) -> PermissionSnapshot:
    """Load and cache the permissions in the environment.

    Environment None stands for the whole installation, where administrators hold `admin`.
    """
    # Taken before the query: a change that happens during it must not be covered by the snapshot.
    began = time.monotonic()
    found = PermissionSnapshot(began, *_current_permissions(credentials, environment_id))
    if len(_cache) > _MAX_CACHED:
        _cache.clear()
    _cache[credentials.cache_key(environment_id)] = found
    return found


def _current_permissions(
    credentials: SocketCredentials, environment_id: int | None
) -> tuple[frozenset[str] | None, bool]:
    actor = credentials.actor()
    if actor is None:
        return None, False
    if environment_id is None:
        return (frozenset({"admin"}) if actor.is_admin else frozenset()), actor.is_admin
    return actor.permissions(environment_id), actor.is_admin
