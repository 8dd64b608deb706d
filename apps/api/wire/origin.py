"""The client's address and the URL it used; forwarded headers count from trusted proxies only."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest

from apps.core.addresses import client_behind_proxies, is_within

# A forwarded host is echoed into every link, so nothing but a host name or address is accepted.
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?", re.ASCII)


def is_trusted(address: str) -> bool:
    """Whether forwarded headers from this address count (`settings.TRUSTED_PROXIES`)."""
    return is_within(address, settings.TRUSTED_PROXIES)


def client_address(request: HttpRequest) -> str:
    """The client's address: the last hop that is not a trusted proxy."""
    peer = str(request.META.get("REMOTE_ADDR") or "")
    return client_behind_proxies(peer, request.headers.get("X-Forwarded-For", ""), settings.TRUSTED_PROXIES)


def base_url(request: HttpRequest) -> str:
    """Scheme, host and port as the client sees them."""
    scheme, host = request.scheme or "http", request.get_host()
    if not is_trusted(str(request.META.get("REMOTE_ADDR") or "")):
        return f"{scheme}://{host}"
    forwarded = {name: request.headers.get(f"X-Forwarded-{name}", "").split(",")[0].strip() for name in _FORWARDED}
    scheme = forwarded["Proto"] if forwarded["Proto"] in {"http", "https"} else scheme
    host = forwarded["Host"] if _HOST.fullmatch(forwarded["Host"]) else host
    return f"{scheme}://{_with_port(scheme, host, forwarded['Port'])}"


_FORWARDED = ("Proto", "Host", "Port")


def _with_port(scheme: str, host: str, port: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}", port):
        return host
    hostname = re.sub(r":[0-9]+$", "", host)
    return hostname if port == {"http": "80", "https": "443"}[scheme] else f"{hostname}:{port}"
