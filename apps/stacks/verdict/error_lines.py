"""Error lines in the logs of old and new containers, counted piece by piece: no line is kept.

Engines keep logs, so that no stream has to stay open: now and then what came since the last time is read, of a few
containers, up to a limit. How far a log was read is kept with the count; what a limit cut off is read next time. A
second with errors counts once however many lines it has: one stack trace is one error.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.dateparse import parse_datetime

from apps.containers.models import Container
from apps.containers.streams import logs_open
from apps.core.errors import Problem
from apps.drivers.base import EngineError, LogLine
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.verdict.error_pattern import Matcher, error_matcher
from apps.stacks.verdict.groups import Groups
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.signals import EventRate, Events

log = logging.getLogger(__name__)

MOST_LOGS = 4  # of old and of new containers each
MAX_BYTES = 1_000_000  # of one log at a time
MAX_SECONDS = 2.0
BEFORE = timedelta(minutes=30)  # how far back the logs of the old ones are read
WARM_UP = timedelta(seconds=30)  # errors of new ones while what they need is not there yet say little
PERIOD = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class LogCount:
    """How many seconds with errors a log had, in how many seconds: before the upgrade, and since.

    It was read up to `to`; `last` is the last second that counted, `trouble` why it cannot be read.
    """

    to: str
    before: int = 0
    before_seconds: float = 0.0
    since: int = 0
    since_seconds: float = 0.0
    last: int = 0
    trouble: str = ""


def read_logs(observation: UpgradeObservation, groups: Groups, now: datetime) -> bool:
    """Count what came since the last time; False when that is not due, or another process does it just now."""
    rows = UpgradeObservation.objects.filter(pk=observation.pk, ended=None)
    due = Q(logs_read_at=None) | Q(logs_read_at__lte=now - PERIOD)
    if not rows.filter(due).update(logs_read_at=now):
        return False
    matches = error_matcher(str(observation.settings.get("errorPattern", "")))
    known = {key: LogCount(**each) for key, each in observation.error_lines.items()}
    for container, is_new in _chosen(groups, known):
        begin = _begin(container, observation, is_new=is_new)
        if begin is not None and begin < now:
            count = known.get(str(container.pk)) or LogCount(begin.isoformat())
            known[str(container.pk)] = _read_on(container, count, observation.started, now, matches)
    observation.error_lines = {key: asdict(each) for key, each in known.items()}
    # Whoever took longer than the period has been overtaken: that one's counts are newer.
    return bool(rows.filter(logs_read_at=now).update(error_lines=observation.error_lines))


def _chosen(groups: Groups, known: Mapping[str, LogCount]) -> Iterator[tuple[Container, bool]]:
    """The containers whose logs are read: those that were begun with, then others up to the limit."""
    for part, is_new in ((groups.old, False), (groups.new, True)):
        fit = [each for each in part if each.removed is None and each.launch_name in {"", PRIMARY}]
        fit.sort(key=lambda each: str(each.pk) not in known)
        begun = sum(str(each.pk) in known for each in part)
        left = [each for each in fit if str(each.pk) in known]
        others = [each for each in fit if str(each.pk) not in known][: max(0, MOST_LOGS - begun)]
        yield from ((each, is_new) for each in (*left, *others))


def _begin(container: Container, observation: UpgradeObservation, *, is_new: bool) -> datetime | None:
    """From when on its log counts; None while it has none."""
    if container.first_running is None:
        return None
    if is_new:
        return container.first_running + WARM_UP
    return max(container.first_running, observation.started - BEFORE)


def _read_on(container: Container, count: LogCount, started: datetime, now: datetime, matches: Matcher) -> LogCount:
    """The count with what the log has had since; what cannot be read stays as it is, with the reason."""
    begin, end = parse_datetime(count.to) or started, _end(container, now)
    if end <= begin:
        return count
    try:
        with contextlib.closing(logs_open(container, tail=None, since=count.to, follow=False)) as stream:
            piece = _Piece(begin, end)
            errors = list(piece.errors(stream, matches))
    except (EngineError, Problem) as error:
        return replace(count, trouble=str(error)[:200])
    return _added(count, errors, begin, piece.end, started)


def _end(container: Container, now: datetime) -> datetime:
    """Until when its log counts: one that was replaced writes no more."""
    ended = container.engine_state.get("last_end") or {}
    stopped = parse_datetime(ended.get("at") or "") if container.desired != "running" else None
    return min(stopped, now) if stopped is not None else now


def _added(count: LogCount, errors: Sequence[int], begin: datetime, end: datetime, started: datetime) -> LogCount:
    """The count with the seconds of these errors, which are in order."""
    fresh = sorted({second for second in errors if second > count.last})
    old = [second for second in fresh if second < started.timestamp()]
    length = (end - begin).total_seconds()
    before = min(length, max(0.0, (started - begin).total_seconds()))
    return LogCount(
        to=end.isoformat(),
        before=count.before + len(old),
        before_seconds=count.before_seconds + before,
        since=count.since + len(fresh) - len(old),
        since_seconds=count.since_seconds + length - before,
        last=fresh[-1] if fresh else count.last,
    )


class _Piece:
    """A part of a log up to a limit; afterwards `end` is how far it reached."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self._begin, self.end = begin, end
        self._left, self._deadline = MAX_BYTES, time.monotonic() + MAX_SECONDS

    def errors(self, lines: Iterable[LogLine], matches: Matcher) -> Iterator[int]:
        """The seconds in which there were errors, one for each line."""
        for line in lines:
            self._left -= len(line.text) + len(line.at)
            if self._left < 0 or time.monotonic() > self._deadline:
                at = parse_datetime(line.at)
                self.end = min(self.end, at) if at is not None and at > self._begin else self.end
                return
            if matches(line.text):
                at = parse_datetime(line.at)
                if at is not None and self._begin <= at < self.end:
                    yield int(at.timestamp())


def error_rate(observation: UpgradeObservation, groups: Groups) -> EventRate:
    """Errors by the time of logs that was read."""
    counts = {key: LogCount(**each) for key, each in observation.error_lines.items()}
    old = [counts[str(each.pk)] for each in groups.old if str(each.pk) in counts]
    new = [counts[str(each.pk)] for each in groups.new if str(each.pk) in counts]
    trouble = next((each.trouble for each in (*new, *old) if each.trouble), "")
    since = _sum(new)
    return EventRate(
        "errors",
        before=Events(sum(each.before for each in old), sum(each.before_seconds for each in old)),
        beside=_sum(old),
        new=since,
        minimum=5,
        missing="" if since.seconds else trouble or "Logs count from half a minute after the start.",
    )


def _sum(counts: Iterable[LogCount]) -> Events:
    counts = list(counts)
    return Events(sum(each.since for each in counts), sum(each.since_seconds for each in counts))
