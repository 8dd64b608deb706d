"""Texts that every database takes: no NUL, no half of a surrogate pair; and those that pages translate. Pure."""

from __future__ import annotations

import re
from typing import Any

REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Whether every database takes the text as it is."""
    return not _UNSTORABLE.search(text)


def strip_unstorable(found: Any) -> Any:
    """The same text, list or mapping with a replacement character for each one that cannot be stored."""
    if isinstance(found, str):
        return _UNSTORABLE.sub(REPLACEMENT, found)
    if isinstance(found, dict):
        return {strip_unstorable(key): strip_unstorable(value) for key, value in found.items()}
    if isinstance(found, list):
        return [strip_unstorable(each) for each in found]
    return found


def gettext_noop(text: str) -> str:
    """Mark a text for translation where it is shown: message extraction knows the function by Django's name for it."""
    return text


def labeled(name: str, text: str) -> str:
    """A message about something of this name, which it is said to be about once: not `web: web: ...`."""
    return text if text.startswith((f"{name}:", f"{name} ")) else f"{name}: {text}"
