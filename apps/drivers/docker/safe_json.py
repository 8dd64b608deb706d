"""The engine's and agents' JSON, with texts that every database can store; pure."""

from __future__ import annotations

import json
import re
from typing import Any

from apps.core.texts import strip_unstorable

_ESCAPED = re.compile(r"\\u(?:0000|d[89a-f])", re.IGNORECASE)


def has_unstorable_escape(text: str) -> bool:
    """Whether a JSON text may hold, in escapes, what not every database can store."""
    return _ESCAPED.search(text) is not None


def parse_json(data: bytes) -> Any:
    """JSON that can be stored. Raises `ValueError` for what is not JSON."""
    text = data.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        return strip_unstorable(found) if has_unstorable_escape(text) else found
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
