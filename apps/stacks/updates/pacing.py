"""How often registries are asked: once an hour for each image, spread over it, later where they refuse. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import Random

HOUR = timedelta(hours=1)
LEAST_INTERVAL = HOUR
_FIRST_RETRY, _LAST_RETRY = timedelta(minutes=10), timedelta(hours=12)
_FIRST_PAUSE, _LAST_PAUSE = timedelta(minutes=2), timedelta(hours=4)
_LONGEST_LIMIT = timedelta(hours=24)  # whatever a registry names: it may have made a mistake
_LIMIT_WITHOUT_TIME = HOUR
_HEADROOM = 1.5  # a round makes a bit more than its share, so that whatever came late catches up
_JITTER = 0.2


def interval_of(minutes: int) -> timedelta:
    """The time between two checks of one image, of the setting's minutes: an hour at least."""
    return max(LEAST_INTERVAL, timedelta(minutes=minutes))


def share_of_round(images: int, interval: timedelta, since_last: timedelta) -> int:
    """How many of so many images are checked in one round, so that all of them are within the interval."""
    return max(1, math.ceil(_HEADROOM * images * (since_last / interval)))


def _grown(first: timedelta, last: timedelta, failures: int, random: Random) -> timedelta:
    doublings = min(max(failures, 1) - 1, 16)
    delay: timedelta = min(last, first * 2**doublings)
    return delay * (1.0 + _JITTER * (2 * random.random() - 1))


def retry_delay(failures: int, interval: timedelta, random: Random) -> timedelta:
    """How long an image is left alone after so many failed checks in a row: never shorter than the interval."""
    return max(interval, _grown(_FIRST_RETRY, _LAST_RETRY, failures, random))


def pause_delay(failures: int, random: Random) -> timedelta:
    """How long a registry is left alone that could not be reached so many times in a row."""
    return _grown(_FIRST_PAUSE, _LAST_PAUSE, failures, random)


def read_retry_after(text: str, now: datetime) -> timedelta | None:
    """What `Retry-After` says, in seconds or as a date; None for nothing that can be read."""
    plain = text.strip()
    if plain.isascii() and plain.isdigit() and len(plain) < 10:
        return min(_LONGEST_LIMIT, timedelta(seconds=int(plain)))
    try:
        until = parsedate_to_datetime(plain)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(_LONGEST_LIMIT, max(timedelta(0), until - now))


@dataclass(frozen=True, slots=True)
class RegistryLimit:
    """What a registry says of its limit: how many requests remain, and for how long that holds."""

    remaining: int
    window: timedelta


def read_rate_limit(headers: Mapping[str, str], now: datetime) -> RegistryLimit | None:
    """The limit of an answer's headers (small letters), in Docker Hub's form `0;w=21600` or the drafts'; else None."""
    text = headers.get("ratelimit-remaining", "")
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:;\s*w=(\d{1,9})\s*)?", text)
    if not found:
        return None
    reset = read_retry_after(headers.get("ratelimit-reset", ""), now)
    window = timedelta(seconds=int(found[2])) if found[2] else _LIMIT_WITHOUT_TIME
    return RegistryLimit(int(found[1]), min(_LONGEST_LIMIT, reset if reset is not None else window))


def limit_delay(headers: Mapping[str, str], status: int, now: datetime) -> timedelta | None:
    """How long a registry says to ask it nothing (429, or none of its limit remains); None where it does not."""
    limit = read_rate_limit(headers, now)
    if status == 429:
        after = read_retry_after(headers.get("retry-after", ""), now)
        return after if after is not None else (limit.window if limit else _LIMIT_WITHOUT_TIME)
    return limit.window if limit is not None and limit.remaining <= 0 else None
