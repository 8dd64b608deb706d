"""How much is read from what others run, and for how long: the one table of budgets, and their meter; pure.

Engines, agents, directories and log-in providers may belong to anybody. Whatever they send, no more than `max_bytes` of
it is read, and no longer than `seconds`, counted from the request to the last byte, however busy they look meanwhile.
Streams that a person ends have neither; their lines and frames are limited instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

KB, MB, GB = 1024, 1024**2, 1024**3
MINUTE, HOUR = 60.0, 3600.0


@dataclass(frozen=True, slots=True)
class ReadBudget:
    """`what` completes the sentence "... sent more than 8 MB as"; None: unlimited."""

    what: str
    max_bytes: int | None
    seconds: float | None


# Plain calls. The SDK's own time-out, where one is given, takes the place of `seconds`: stopping may take long.
ENGINE_CALL = ReadBudget("the answer to one call", 8 * MB, MINUTE)
# 64 MB are some 15,000 containers; rows are parsed as they come and only what is needed of each is kept.
ENGINE_LIST = ReadBudget("a list", 64 * MB, 2 * MINUTE)
ENGINE_ONE_SAMPLE = ReadBudget("one sample of statistics", MB, 15.0)
ENGINE_STREAM = ReadBudget("a stream", None, None)  # events, followed logs, statistics, shells
ENGINE_LOG_HISTORY = ReadBudget("a log", 4 * GB, HOUR)
ENGINE_PULL = ReadBudget("the progress of a pull", 512 * MB, 6 * HOUR)
ENGINE_ARCHIVE = ReadBudget("an image", 64 * GB, 6 * HOUR)
ENGINE_LOAD = ReadBudget("the progress of loading an image", 64 * MB, 6 * HOUR)
ENGINE_BUILD = ReadBudget("the log of a build", 256 * MB, 6 * HOUR)
ENGINE_REFUSAL = ReadBudget("a reason", 64 * KB, 2.0)
AGENT_CALL = ReadBudget("the answer to one call", 16 * MB, 15.0)
PROVIDER_CALL = ReadBudget("an answer", 4 * MB, 5.0)
PROVIDER_PAGES = ReadBudget("all pages of a list", 16 * MB, 30.0)  # together, whatever each of them took
REGISTRY_CALL = ReadBudget("an answer", 256 * KB, 10.0)
ISSUER_CALL = ReadBudget("an answer", 256 * KB, 5.0)
DIRECTORY_SEARCH = ReadBudget("the result of a search", 32 * MB, 15.0)
MAX_DIRECTORY_GROUPS = 5000  # of one person, through other groups too

# The parts of which lists and streams consist.
MAX_ROWS = 50_000
MAX_ROW_BYTES = MB
MAX_LINE_BYTES = MB  # of events, progress and statistics; lines of logs are cut much earlier
MAX_FRAME_BYTES = MB  # engines send 16 to 32 KB
MAX_MEASURED_SECONDS = 30.0  # one sample of each container of an engine, all of them together

# One engine's events: this many at once, and so many a second for ever. A host that sends more is looked at as a whole.
EVENT_BURST = 2000
EVENTS_PER_SECOND = 100.0
EVENT_PAUSE_SECONDS = 5.0


class OverBudget(Exception):
    """More came, or it took longer, than the budget allows; `str()` completes "The engine at tcp://x ..."."""


class ReadMeter:
    """What is left of a budget while one answer is being read; begins when it is made.

    `within` is the meter of something larger that this answer is a part of.
    """

    def __init__(self, budget: ReadBudget, *, seconds: float | None = None, within: ReadMeter | None = None) -> None:
        self._budget = budget
        self._within = within
        self._left = budget.max_bytes
        self._seconds = budget.seconds if seconds is None else seconds
        self._until = None if self._seconds is None else monotonic() + self._seconds

    def timeout(self, idle: float | None = None) -> float | None:
        """How long the next read may wait: `idle` seconds, or what is left if that is less. Raises `OverBudget`."""
        if self._within is not None:
            idle = self._within.timeout(idle)
        if self._until is None:
            return idle
        left = self._until - monotonic()
        if left <= 0:
            raise OverBudget(f"did not finish {self._budget.what} within {self._seconds:g} seconds.")
        return left if idle is None else min(idle, left)

    def count(self, size: int) -> None:
        """Note that so many bytes were read. Raises `OverBudget`."""
        if self._within is not None:
            self._within.count(size)
        if self._left is None:
            return
        self._left -= size
        if self._left < 0:
            raise OverBudget(f"sent more than {format_size(self._budget.max_bytes or 0)} as {self._budget.what}.")


def format_size(size: int) -> str:
    """A round size in words."""
    for unit, name in ((GB, "GB"), (MB, "MB"), (KB, "KB")):
        if size >= unit:
            return f"{size / unit:g} {name}"
    return f"{size} bytes"


class EventAllowance:
    """How many more events of one engine are taken now: a bucket that refills."""

    def __init__(self) -> None:
        self._left = float(EVENT_BURST)
        self._at = monotonic()

    def take(self) -> bool:
        """Whether one more is taken."""
        now = monotonic()
        self._left = min(float(EVENT_BURST), self._left + (now - self._at) * EVENTS_PER_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
