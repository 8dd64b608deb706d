"""The Origin check of WebSockets: a browser's handshake is accepted only from pages of this portal."""

from __future__ import annotations

import functools
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.http import QueryDict
from django.http.request import split_domain_port, validate_host
from django.utils.http import is_same_domain

from apps.core.addresses import client_behind_proxies

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

log = logging.getLogger(__name__)

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def header(scope: Scope, name: str) -> str:
    """A request header's value, empty when absent."""
    encoded_name = name.encode()
    return next((value.decode("latin1") for key, value in scope.get("headers", []) if key == encoded_name), "")


def client_address(scope: Scope) -> str:
    """The address of the client: the last hop that is not a trusted proxy."""
    peer = str((scope.get("client") or ("",))[0] or "")
    forwarded = [value.decode("latin1") for key, value in scope.get("headers", []) if key == b"x-forwarded-for"]
    return client_behind_proxies(peer, ",".join(forwarded), settings.TRUSTED_PROXIES)


def origin_rejection(scope: Scope) -> str:
    """Why a handshake is refused by its Host or Origin; empty when it is not.

    Django's middleware checks both for pages, but it does not see WebSockets. A program sends no Origin and must
    authenticate with a ticket or a key: cookies are used only together with an Origin.
    """
    host = header(scope, "host").lower()
    origin = header(scope, "origin").lower()
    name = split_domain_port(host)[0]
    if not name or not validate_host(name, settings.ALLOWED_HOSTS):
        return f"{host!r} is not a name of this portal"
    try:
        page, ours = urlsplit(origin), urlsplit(f"//{host}")
        if not origin or any(_matches(page, urlsplit(trusted)) for trusted in settings.CSRF_TRUSTED_ORIGINS):
            return ""
        default = _PORTS.get(page.scheme)
        same = default and page.hostname == ours.hostname and (page.port or default) == (ours.port or default)
    except ValueError:
        return "Host or Origin is not a valid address"
    if not same:
        _explain(origin, host)
    return "" if same else f"{origin!r} is another site"


@functools.lru_cache(maxsize=64)
def _explain(origin: str, host: str) -> None:
    """Say once in the log why a page is not live: most often a proxy passes another host or port than was asked for."""
    log.warning(
        "A page from %r opened a WebSocket to host %r, which was refused. If both are this portal, let the proxy pass "
        "the Host header as it came, with its port, or add the first to CSRF_TRUSTED_ORIGINS.",
        origin[:253],
        host[:253],
    )


def _matches(page: SplitResult, trusted: SplitResult) -> bool:
    """Match as Django does: `https://*.example.com` covers all subdomains."""
    if page.scheme != trusted.scheme:
        return False
    pattern = trusted.netloc.lower()
    return page.netloc == pattern or (pattern.startswith("*.") and is_same_domain(page.netloc, pattern[1:]))


def require_same_origin(application: Application) -> Application:
    """Wrap an application in the Origin check; the parsed query is in `scope["query"]`."""

    async def guard(scope: Scope, receive: Any, send: Any) -> None:
        try:
            scope["query"] = QueryDict(scope.get("query_string", b""))
            reason = origin_rejection(scope)
        except SuspiciousOperation:
            reason = "the query is too long"
        if reason:
            await receive()
            await send({"type": "websocket.close", "code": 4403, "reason": reason[:100]})
            return
        await application(scope, receive, send)

    return guard
