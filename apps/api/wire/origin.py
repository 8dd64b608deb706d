"""Where a request came from and under which URL it reached us; forwarded headers count from trusted proxies only."""

from __future__ import annotations

import ipaddress
import re

from django.conf import settings
from django.http import HttpRequest

_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?", re.ASCII)


def is_trusted(address: str) -> bool:
    """Whether a proxy at this address may say for whom it speaks (`settings.TRUSTED_PROXIES`)."""
    try:
        found = ipaddress.ip_address(address)
        return any(found in ipaddress.ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES)
    except ValueError:
        return False


def client_address(request: HttpRequest) -> str:
    """The address of the client: the last hop that is no trusted proxy."""
    address = str(request.META.get("REMOTE_ADDR") or "")
    hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
    while hops and is_trusted(address):
        address = hops.pop()
    return address[:64]


def base_url(request: HttpRequest) -> str:
    """Scheme, host and port as the client sees them."""
    scheme, host = request.scheme or "http", request.get_host()
    if not is_trusted(str(request.META.get("REMOTE_ADDR") or "")):
        return f"{scheme}://{host}"
    said = {name: request.headers.get(f"X-Forwarded-{name}", "").split(",")[0].strip() for name in _FORWARDED}
    scheme = said["Proto"] if said["Proto"] in {"http", "https"} else scheme
    host = said["Host"] if _HOST.fullmatch(said["Host"]) else host
    return f"{scheme}://{_with_port(scheme, host, said['Port'])}"


_FORWARDED = ("Proto", "Host", "Port")


def _with_port(scheme: str, host: str, port: str) -> str:
    if not re.fullmatch(r"[0-9]{1,5}", port):
        return host
    bare = re.sub(r":[0-9]+$", "", host)
    return bare if port == {"http": "80", "https": "443"}[scheme] else f"{bare}:{port}"
