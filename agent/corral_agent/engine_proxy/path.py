"""A request's path in its one canonical spelling; pure."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

from corral_agent.engine_proxy.http_head import BadMessage

_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ALLOWED = re.compile(rb"[A-Za-z0-9_.:@+~=,-]+")
_VERSION = re.compile(r"/v1\.\d{1,3}(?=/)")
_SAFE = ":@+~=,"


def split_target(target: str) -> tuple[str, str, str]:
    """Version prefix (or ""), decoded path and raw query. Raises `BadMessage` for an ambiguous path."""
    path, _, query = target.partition("?")
    if _ESCAPE.search(target):
        raise BadMessage("a percent sign without two digits")
    version = found[0] if (found := _VERSION.match(path)) else ""
    return version, "/" + "/".join(_segment(part) for part in path[len(version) + 1 :].split("/")), query


def _segment(text: str) -> str:
    """One segment, decoded once; nothing that would decode again, climb up or end the path."""
    decoded = unquote_to_bytes(text)
    if not _ALLOWED.fullmatch(decoded) or decoded in {b".", b".."}:
        raise BadMessage("the path holds an empty, climbing or doubly encoded part")
    return decoded.decode("ascii")


def join_target(version: str, path: str, query: str) -> str:
    """The target as it is sent to the engine."""
    return version + quote(path, safe="/" + _SAFE) + (f"?{query}" if query else "")
