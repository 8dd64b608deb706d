"""How callers prove who they are: an API key, a bearer token, or the console's session with its CSRF token."""

from __future__ import annotations

import base64
import binascii
from types import SimpleNamespace
from typing import NoReturn
from urllib.parse import urlsplit

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user
from rest_framework.authentication import BaseAuthentication, CSRFCheck, get_authorization_header
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from apps.accounts.login.open_mode import open_mode_user_at
from apps.accounts.login.sessions import (
    LOCAL_BACKEND,
    record_session_activity,
    session_beginning,
    session_provider_kind,
)
from apps.accounts.login.store import SessionStore
from apps.accounts.models import User
from apps.accounts.selectors import key_by_credentials, key_refusal
from apps.accounts.services import record_key_use
from apps.api.wire.origin import client_address
from apps.core.errors import Unauthorized
from apps.core.texts import is_storable
from apps.environments.actor import (
    Actor,
    actor_of_anonymous,
    actor_of_key,
    actor_of_user,
)

AuthResult = tuple[User, Actor] | None

BEARER_USER = "X-API-Bearer="
BEARER_PROJECT = "corral.bearer_project"
TOKEN_COOKIE = "token"  # noqa: S105 - the name of a cookie


def _credentials(request: Request, scheme: bytes) -> str | None:
    words = get_authorization_header(request).split()
    if len(words) != 2 or words[0].lower() != scheme:
        return None
    return words[1].decode("latin-1")


class KeyAuthentication(BaseAuthentication):
    """`Basic accessKey:secretKey`; a wrong pair is refused even if the request carries other credentials.

    As in v1 the pair may also be `X-API-Bearer=<project id>:<jwt>`, a bearer token inside an environment.
    """

    def authenticate(self, request: Request) -> AuthResult:
        """The actor behind the key."""
        found = _credentials(request, b"basic")
        if found is None:
            return None
        try:
            access, _colon, secret = base64.b64decode(found, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return _reject_credentials(request)
        if access.startswith(BEARER_USER):
            request.META[BEARER_PROJECT] = access.removeprefix(BEARER_USER)
            return _authenticate_token(request, secret) or _reject_credentials(request)
        # PostgreSQL answers a NUL in a parameter with an error of its own, which would be a 500.
        key = key_by_credentials(access, secret) if is_storable(access) else None
        if key is None:
            return _reject_credentials(request)
        address = client_address(request)
        if reason := key_refusal(key, address):
            return _authenticate_in_open_mode(request) or _raise_unauthorized(reason)
        record_key_use(key, address)
        return key.account, actor_of_key(key, "api", address=address)

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the framework's signature
        """What a 401 asks for."""
        return 'Basic realm="Corral"'


class BearerAuthentication(BaseAuthentication):
    """`Bearer <jwt>`, as issued by `POST /v1/token`: opaque and revocable."""

    def authenticate(self, request: Request) -> AuthResult:
        """The actor behind the token."""
        token = _credentials(request, b"bearer")
        if token is None:
            return None
        return _authenticate_token(request, token) or _reject_credentials(request)


def _authenticate_token(request: Request, token: str) -> AuthResult:
    """The actor behind a token; None for a wrong or ended one."""
    # Session keys are alphanumeric; anything else need not reach the database.
    if not (token.isascii() and token.isalnum()) or len(token) > 64:
        return None
    store = SessionStore(token)
    user = _session_user(store)
    if user is None or not record_session_activity(store):
        return None
    return user, actor_of_user(user, "api", address=client_address(request), session=store.row)


class SessionAuthentication(BaseAuthentication):
    """A browser logged in to the console; requests that change something need `X-API-CSRF` (or the form's token)."""

    def authenticate(self, request: Request) -> AuthResult:
        """The actor behind the session."""
        django_request = request._request  # noqa: SLF001 - Django's own request
        user, store = getattr(django_request, "user", None), getattr(django_request, "session", None)
        if not isinstance(user, User) or not user.is_active or not isinstance(store, SessionStore):
            return None
        if not record_session_activity(store):
            return None
        _require_csrf_token(request)
        return user, actor_of_user(user, "api", address=client_address(request), session=store.row)


class TokenCookieAuthentication(BaseAuthentication):
    """v1's cookie `token`, with the value of a bearer token; requests that change something need `X-API-CSRF` too.

    A token that ended counts as none: browsers keep the cookie, and could not log in again otherwise.
    """

    def authenticate(self, request: Request) -> AuthResult:
        """The actor behind the cookie."""
        found = _authenticate_token(request, request.COOKIES.get(TOKEN_COOKIE, ""))
        if found is not None:
            _require_csrf_token(request)
        return found


def _require_csrf_token(request: Request) -> None:
    csrf_header = request.META.get("HTTP_X_API_CSRF")
    if csrf_header:
        request.META["HTTP_X_CSRFTOKEN"] = csrf_header
    # REST framework exempts its views from CSRF checks; only callers with a cookie need one.
    check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]
    check.process_request(request)
    if check.process_view(request, None, (), {}):  # type: ignore[arg-type]
        raise PermissionDenied(
            "The CSRF token is missing or wrong; send the cookie's value in X-API-CSRF.", "InvalidCSRFToken"
        )


class OpenModeAuthentication(BaseAuthentication):
    """While access control is off, requests without credentials act as the administrator."""

    def authenticate(self, request: Request) -> AuthResult:
        """The account that anonymous requests act as."""
        return _authenticate_in_open_mode(request)


def _authenticate_in_open_mode(request: Request) -> AuthResult:
    """The administrator while open mode is on, unless the request enforces authentication or another site sent it."""
    if request.headers.get("X-Enforce-Authentication", "").lower() == "true" or not _is_same_origin(request):
        return None
    user = open_mode_user_at(request.get_host())
    if user is None:
        return None
    return user, actor_of_anonymous(user, "api", address=client_address(request))


def _is_same_origin(request: Request) -> bool:
    """Whether the request comes from a page of this portal, or from no browser at all."""
    origin = request.headers.get("Origin", "")
    return not origin or urlsplit(origin).netloc.lower() == request.get_host().lower()


def _reject_credentials(request: Request) -> AuthResult:
    """Refuse wrong credentials, unless access control is off."""
    return _authenticate_in_open_mode(request) or _raise_unauthorized("Unauthorized")


def _raise_unauthorized(reason: str) -> NoReturn:
    raise Unauthorized(reason)


def issue_token(user: User, *, address: str = "", agent: str = "") -> str:
    """A new session of the account, for use as a bearer token."""
    # `authenticate` records the backend on the account: switching a login provider off ends the sessions it opened.
    backend = getattr(user, "backend", LOCAL_BACKEND)
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = backend
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    data = dict(store.items())
    with session_beginning(user, store):
        store.create()
        store.update(data)
        store.begin(address=address, agent=agent, via="api", provider=session_provider_kind(user, backend))
    return str(store.session_key)


def _session_user(store: SessionStore) -> User | None:
    """The active account behind a session; changing the password ends the session."""
    user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]
    return user if isinstance(user, User) and user.is_active else None
