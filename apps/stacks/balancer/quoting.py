"""Texts of people as words of a haproxy.cfg: whatever they hold, each stays one word on its line. Pure."""

from __future__ import annotations

import hashlib
import re

_PLAIN = re.compile(r"[A-Za-z0-9_./:*@%+=,~-]+")
_INVALID_IN_NAME = re.compile(r"[^A-Za-z0-9_.:-]")
_MAX_NAME = 64


class UnsafeText(ValueError):
    """A text that no word of a configuration can hold; `str()` says which and why."""


def quote(text: str) -> str:
    """The text as one word, which HAProxy reads as it is. Raises `UnsafeText` for what cannot be in a line."""
    if not text.isprintable():
        raise UnsafeText(f"{text[:60]!r} holds characters that a line of haproxy.cfg cannot.")
    if _PLAIN.fullmatch(text):
        return text
    # Within single quotes nothing means anything but the quote itself, which ends them.
    return "'" + text.replace("'", "'\\''") + "'"


def section_name(text: str) -> str:
    """A name as sections and servers may have it; different texts get different names."""
    name = _INVALID_IN_NAME.sub("_", text)
    if name == text and len(text) <= _MAX_NAME and text:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{name[: _MAX_NAME - 13]}.{digest}"
