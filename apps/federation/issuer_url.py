"""The address of an issuer, as its tokens name it; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from apps.core.errors import Invalid
from apps.core.pinned_http import HttpEndpoint

MAX_ISSUER = 255
_HOST = re.compile(r"(?!-)[A-Za-z0-9.-]{1,253}(?<!-)\Z|[0-9a-fA-F:.]{2,45}\Z")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*\Z")
_WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class HttpsUrl:
    """An address over HTTPS: where it is, and the path with its query."""

    endpoint: HttpEndpoint
    path: str


def parse_issuer(field: str, text: str) -> str:
    """The issuer as it was written, since tokens must name it letter by letter. Raises `Invalid` at `field`."""
    text = text.strip()
    found = read_https_url(text)
    if found is None or "?" in text or len(text) > MAX_ISSUER:
        raise Invalid(
            field,
            "InvalidFormat",
            f"{field}: {text[:80]!r} is no address of an issuer; write it as its tokens do (iss), such as "
            "https://gitlab.example.com.",
        )
    return text


def discovery_url(issuer: str) -> HttpsUrl:
    """Where an issuer says where its keys are (OpenID Connect Discovery). Raises `ValueError` for no address."""
    found = read_https_url(issuer)
    if found is None:
        raise ValueError(issuer)
    return HttpsUrl(found.endpoint, found.path.rstrip("/") + _WELL_KNOWN)


def read_https_url(text: str) -> HttpsUrl | None:
    """A plain address over HTTPS: a host, perhaps a port, path and query; None for anything else."""
    try:
        parts = urlsplit(text)
        port = parts.port or 443
    except ValueError:
        return None
    host = parts.hostname or ""
    is_plain = parts.scheme == "https" and parts.username is None and parts.password is None and "#" not in text
    whole = text.isascii() and len(text) <= 2048 and _HOST.match(host) and _PATH.match(parts.path)
    if not (is_plain and whole and (not parts.query or _PATH.match(parts.query.replace("?", "/")))):
        return None
    return HttpsUrl(HttpEndpoint("https", host, port), parts.path + (f"?{parts.query}" if parts.query else ""))
