"""The times that `--since` takes: RFC 3339, seconds since 1970, or how long ago."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

from corral_cli.errors import CliError, ExitCode

_AGO = re.compile(
    r"(?:(?P<days>\d{1,5})d)?(?:(?P<hours>\d{1,6})h)?(?:(?P<minutes>\d{1,7})m)?(?:(?P<seconds>\d{1,9})s)?"
)
_SECONDS = re.compile(r"\d{1,12}(?:\.\d{1,9})?")


def since_time(text: str, now: datetime | None = None) -> str:
    """The time as RFC 3339 in UTC; empty for an empty text. Raises `CliError`."""
    if not text:
        return ""
    found = _parse(text, now or datetime.now(timezone.utc))
    if found is None:
        raise CliError(
            f"--since {text[:60]!r} is no time: write 2026-01-31T12:00:00Z, seconds since 1970, or how long ago "
            "(10m, 2d).",
            ExitCode.USAGE,
        )
    return found.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _parse(text: str, now: datetime) -> datetime | None:
    try:
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), timezone.utc)
        ago = _AGO.fullmatch(text)
        if ago:
            return now - timedelta(**{name: int(value) for name, value in ago.groupdict().items() if value})
        found = datetime.fromisoformat(_plain(text))
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def _plain(text: str) -> str:
    """As Python 3.9 reads it: no Z, and six digits of a second."""
    text = re.sub(r"[zZ]$", "+00:00", text)
    return re.sub(r"\.(\d+)", lambda match: "." + match[1][:6].ljust(6, "0"), text, count=1)
