"""Times as the engine writes them: RFC 3339 with nanoseconds on one side, `SECONDS.NANOSECONDS` on the other."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from apps.drivers.base import EngineRefused

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$")


def to_nanoseconds(text: str) -> int:
    """Unix time in nanoseconds of an RFC 3339 text. Raises `EngineRefused` with the remedy."""
    found = _RFC3339.match(text.strip())
    if found is None:
        raise EngineRefused(f"{text!r} is not a time: write it as 2026-01-31T12:00:00Z.")
    day, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        raise EngineRefused(f"{text!r} is not a time: there is no such day or hour.") from None
    return int(moment.timestamp()) * 10**9 + int((fraction or "").ljust(9, "0"))


def to_rfc3339(nanoseconds: int) -> str:
    """RFC 3339 in UTC with nanoseconds, of unix time in nanoseconds."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def unix_to_rfc3339(seconds: int) -> str:
    """RFC 3339 in UTC of unix time in whole seconds."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def to_query_time(nanoseconds: int) -> str:
    """How the engine takes a moment in a query: `SECONDS.NANOSECONDS`."""
    return f"{nanoseconds // 10**9}.{nanoseconds % 10**9:09d}"
