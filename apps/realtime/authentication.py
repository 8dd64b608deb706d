"""Authentication of sockets by session cookie, one-time ticket or API key, and cached permission checks."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

from django.conf import settings

from apps.accounts.login.open_mode import open_mode_user_at
from apps.accounts.selectors import find_usable_key
from apps.accounts.services import record_key_use
from apps.environments.socket_credentials import SocketCredentials, credentials_of_ticket, session_user
from apps.realtime.origin import Scope, client_address, header

CACHE_SECONDS = 1.0
_MAX_CACHED = 10_000


def authenticate(scope: Scope, verb: str) -> SocketCredentials | None:
    """The credentials of a handshake for `verb`, or None; an invalid ticket never falls back to a session."""
    address = client_address(scope)
    query = scope["query"]
    ticket_token = query.get("ticket") or query.get("token")
    if ticket_token:
        return credentials_of_ticket(ticket_token, verb, address)
    authorization = header(scope, "authorization")
    if authorization:  # as on v1, a wrong key is an anonymous caller in open mode, not an error
        return _key_credentials(authorization, address) or _anonymous_credentials(scope, address)
    # Cookies count only together with an Origin, which the Origin check has compared by now.
    session = _session_cookie(scope) if header(scope, "origin") else ""
    credentials = SocketCredentials(session=session, address=address) if session and session_user(session) else None
    return credentials or _anonymous_credentials(scope, address)


def _anonymous_credentials(scope: Scope, address: str) -> SocketCredentials | None:
    """In open mode the credentials of an anonymous caller, unless the caller asks to be authenticated."""
    if header(scope, "x-enforce-authentication").lower() == "true" or open_mode_user_at(header(scope, "host")) is None:
        return None
    return SocketCredentials(address=address, via_open_mode=True)


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
