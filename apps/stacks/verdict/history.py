"""What was compared while an upgrade was watched, minute by minute, for people to look at. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from apps.stacks.verdict.signals import Evidence

SPACING = 55  # seconds between two samples at least
MOST_SAMPLES = 240  # four hours by the minute; of longer times every other one is kept, again and again


@dataclass(frozen=True, slots=True)
class SignalSample:
    """One moment of a signal: the old and the new containers' value, None where there is none."""

    at: datetime
    old: float | None
    new: float | None


def with_sample(history: Sequence[Mapping[str, Any]] | None, evidence: Evidence, now: datetime) -> list[Any]:
    """The history with the values of now, unless the last ones are of less than a minute ago.

    Levels are kept as they are, of events how many there were since the upgrade began, in how much time.
    """
    known, at = list(history or ()), int(now.timestamp())
    if known and at - known[-1]["at"] < SPACING:
        return known
    counted = {
        each.signal: [each.beside.count, each.beside.seconds, each.new.count, each.new.seconds]
        for each in evidence.rates
    }
    levels = {each.signal: list(each.now) for each in evidence.levels}
    units = {each.signal: each.unit for each in evidence.rates}
    known.append({"at": at, "counted": counted, "levels": levels, "units": units})
    return known[:-1:2] + known[-1:] if len(known) > MOST_SAMPLES else known


def samples_of(history: Sequence[Mapping[str, Any]] | None) -> dict[str, list[SignalSample]]:
    """The samples of each signal, in order: levels, and the rates of events between two moments."""
    found: dict[str, list[SignalSample]] = {}
    known = list(history or ())
    for before, after in pairwise(known):
        for signal, counts in after["counted"].items():
            first = before["counted"].get(signal, [0, 0, 0, 0])
            unit = float(after["units"].get(signal, 1.0))
            values = [_rate(first[at : at + 2], counts[at : at + 2], unit) for at in (0, 2)]
            found.setdefault(signal, []).append(SignalSample(_time(after), values[0], values[1]))
    for each in known:
        for signal, (old, new) in each["levels"].items():
            found.setdefault(signal, []).append(SignalSample(_time(each), old, new))
    return found


def _time(sample: Mapping[str, Any]) -> datetime:
    return datetime.fromtimestamp(sample["at"], UTC)


def _rate(before: Sequence[float], after: Sequence[float], unit: float) -> float | None:
    """Events between two moments by the time, or the requests, between them; None where there was none."""
    passed = after[1] - before[1]
    return unit * max(0.0, after[0] - before[0]) / passed if passed > 0 else None
