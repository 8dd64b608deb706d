"""Pages of a container's log: the lines before a moment, the lines of a time range, and those that hold a text."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.containers.models import Container
from apps.containers.streams import logs_open
from apps.core.errors import Invalid
from apps.drivers.base import LogLine

PAGE_LINES = 500
SMALLEST_PAGE = 5
MAX_TAIL = 5_000_000
MAX_MATCHES = 500
CONTEXT_LINES = 2
# What one request reads of a log at most: an engine may hold gigabytes, and the reader waits for the answer.
MAX_BYTES = 32_000_000
MAX_SECONDS = 15.0
MAX_DOWNLOAD_BYTES = 512 * 2**20
MAX_QUERY = 200


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines in the order of time; of a search also which of them match.

    `is_complete` says that nothing earlier was left out (of a search: that all of the range was read).
    """

    lines: list[LogLine]
    is_complete: bool
    matches: frozenset[int] = frozenset()
    match_count: int = 0


class _Budget:
    """Counts what was read, and says when it is enough."""

    def __init__(self, size: int = MAX_BYTES, seconds: float = MAX_SECONDS) -> None:
        self._left, self._deadline = size, time.monotonic() + seconds
        self.is_spent = False

    def limit(self, lines: Iterable[LogLine]) -> Iterator[LogLine]:
        """The lines until one of the limits is reached."""
        for line in lines:
            self._left -= len(line.text) + len(line.at)
            if self._left < 0 or time.monotonic() > self._deadline:
                self.is_spent = True
                return
            yield line


def lines_before(row: Container, *, until: str, newer: int, limit: int = PAGE_LINES) -> LogPage:
    """The last lines before `until`; the caller knows of about `newer` lines from then on.

    Engines cut the tail first and look at times afterwards, so the tail has to reach over the newer lines; if lines
    came since they were counted, it is doubled until the page is full or the log's start is reached: a longer tail
    brings no more lines then.
    """
    budget, tail, seen = _Budget(), newer + limit + 1, 0
    while True:
        found = _read_last(row, budget, tail=tail, until=until, limit=limit + 1)
        if budget.is_spent and limit >= SMALLEST_PAGE * 2:
            # Cut off before the moment, the newest of them would be missing: fewer lines, but these.
            return lines_before(row, until=until, newer=newer, limit=limit // 10)
        if len(found) > limit or budget.is_spent or (seen and len(found) == seen) or tail > MAX_TAIL:
            return LogPage(found[-limit:], len(found) <= limit and not budget.is_spent)
        tail, seen = tail * 2, len(found)


def _read_last(row: Container, budget: _Budget, *, tail: int, until: str, limit: int) -> list[LogLine]:
    with contextlib.closing(logs_open(row, tail=tail, until=until, follow=False)) as stream:
        return list(deque(budget.limit(stream), maxlen=limit))


def lines_between(row: Container, *, since: str, until: str, limit: int = 10 * PAGE_LINES) -> LogPage:
    """The first lines of a time range; complete if there are no more than `limit`."""
    budget = _Budget()
    with contextlib.closing(logs_open(row, tail=None, since=since, until=until, follow=False)) as stream:
        found = list(itertools.islice(budget.limit(stream), limit + 1))
    return LogPage(found[:limit], len(found) <= limit and not budget.is_spent)


def search_lines(row: Container, *, text: str, since: str = "", until: str = "") -> LogPage:
    """The latest lines that hold `text` in any letter case, each with two lines around it, and how many there are."""
    if not text.strip() or len(text) > MAX_QUERY:
        raise Invalid("q", "InvalidFormat", _("Enter between 1 and %(count)d characters.") % {"count": MAX_QUERY})
    budget = _Budget()
    with contextlib.closing(logs_open(row, tail=None, since=since, until=until, follow=False)) as stream:
        return find_matches(budget.limit(stream), text, budget)


def find_matches(lines: Iterable[LogLine], text: str, budget: _Budget | None = None) -> LogPage:
    """The last matches among the lines with their surroundings."""
    wanted, before = text.lower(), deque[LogLine](maxlen=CONTEXT_LINES)
    groups = deque[tuple[list[LogLine], int]](maxlen=MAX_MATCHES)
    count, after = 0, 0
    for line in lines:
        if wanted in line.text.lower():
            groups.append(([*before, line], len(before)))
            before.clear()
            count, after = count + 1, CONTEXT_LINES
        elif after:
            groups[-1][0].append(line)
            after -= 1
        else:
            before.append(line)
    shown: list[LogLine] = []
    matches = set()
    for group, place in groups:
        matches.add(len(shown) + place)
        shown += group
    return LogPage(shown, budget is None or not budget.is_spent, frozenset(matches), count)


def download_lines(row: Container, *, since: str = "", until: str = "") -> Iterator[str]:
    """The log as text, one line each with its time; it says so where it was cut."""
    stream = logs_open(row, tail=None, since=since, until=until, follow=False)  # refused before the answer begins
    return _download(stream)


def _download(stream: Iterable[LogLine]) -> Iterator[str]:
    left = MAX_DOWNLOAD_BYTES
    with contextlib.closing(stream):  # type: ignore[type-var]
        for line in stream:
            text = f"{line.at} {line.text}\n"
            left -= len(text)
            if left < 0:
                limit = MAX_DOWNLOAD_BYTES // 2**20
                yield f"... cut after {limit} MB; download a shorter time range for the rest\n"
                return
            yield text
