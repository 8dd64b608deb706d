"""The engine's and agents' JSON, with texts that every database takes: no NULs, no halves of surrogate pairs; pure."""

from __future__ import annotations

import json
import re
from typing import Any

MARK = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ESCAPED = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def understood(data: bytes) -> Any:
    """JSON as it can be kept. Raises `ValueError` for what is none."""
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        return storable(found) if _ESCAPED.search(text) else found
    except RecursionError:
        raise ValueError("it is nested beyond measure") from None


def storable(found: Any) -> Any:
    """The same with a mark in the place of each sign that cannot be kept."""
    if isinstance(found, str):
        return _UNSTORABLE.sub(MARK, found)
    if isinstance(found, dict):
        return {storable(key): storable(value) for key, value in found.items()}
    if isinstance(found, list):
        return [storable(each) for each in found]
    return found
