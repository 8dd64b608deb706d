"""The request of a check, as people and rancher-compose files write it. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from health_checks.check import MAX_CHECKS

# A method, then a path, `*` or a whole URL, then the version, which may be left out.
_LINE = re.compile(r"[A-Za-z][A-Za-z-]{0,31}[ \t]+(?:/|\*(?!\S)|https?://)\S*(?:[ \t]+HTTP/[0-9](?:\.[0-9])?)?")
_QUOTED_WORD = re.compile(r'(?<!\S)"([^"]*)"(?!\S)')
_WITH_BODY = ("POST ", "PUT ", "PATCH ")


def request_lines(request: str) -> list[str]:
    """The request line and the header fields, without what they are escaped and quoted with; none of an empty text."""
    # As rancher-compose files escape them, and Rancher's own pages quote them: GET "/ping" "HTTP/1.0".
    text = request.replace("\\r", "\r").replace("\\n", "\n").replace("\\ ", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [_QUOTED_WORD.sub(r"\1", lines[0]), *lines[1:]] if lines else []


def is_request(request: str) -> bool:
    """Whether a server can make sense of it: a request line, and whatever header fields follow."""
    lines = request_lines(request)
    return bool(lines) and _LINE.fullmatch(lines[0]) is not None


@lru_cache(MAX_CHECKS)
def request_bytes(request: str, address: str) -> bytes:
    """The request as it is sent to a server at `address`; HTTP/1.1 asks for a host and would keep the connection."""
    line, *fields = request_lines(request) or ["GET / HTTP/1.0"]
    line = line if " HTTP/" in line else f"{line} HTTP/1.0"
    names = {field.partition(":")[0].strip().lower() for field in fields}
    fields += [] if "host" in names else [f"Host: {address}"]
    fields += [] if "connection" in names else ["Connection: close"]
    # Servers wait for the body of such a request, or refuse it, until its length is said.
    fields += ["Content-Length: 0"] if line.upper().startswith(_WITH_BODY) and "content-length" not in names else []
    return "\r\n".join([line, *fields, "", ""]).encode()
