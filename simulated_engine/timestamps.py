"""Times as the engine writes them."""

from __future__ import annotations

import time

_NEVER = "0001-01-01T00:00:00Z"


def to_rfc3339(nanoseconds: int) -> str:
    """RFC 3339 in UTC with nanoseconds; 0 is never."""
    if not nanoseconds:
        return _NEVER
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"
