"""What is compared while an upgrade is watched: events at a rate, levels, and plain facts. Pure values.

A further signal is one more `EventRate` or `Level` among the evidence: nothing that judges knows their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from apps.stacks.verdict.significance import chance_of_higher_levels, chance_of_more_events

WORSE, NOT_WORSE, UNKNOWN = "worse", "not-worse", "unknown"

# Five signals are tested, so that by chance alone one good upgrade in 20 at most would look bad at the end of its time
# (Bonferroni). Before that only what chance hardly ever does counts, as it is looked at again and again
# (J. L. Haybittle 1971, R. Peto 1976).
LEVEL_AT_END, LEVEL_BEFORE_END = 0.01, 0.0001
MIN_SAMPLES = 4  # of each group: with fewer no order of the values is rare enough
MAX_SAMPLES = 120  # of each group: two hours of one container


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one signal: WORSE, NOT_WORSE or UNKNOWN, the values compared, and how likely chance is.

    `old` and `new` are events an hour or the medians of levels; `counts` are the events or samples that they come
    from, old and new. `reason` says in words what no comparison is needed for, or why there is none. A `decisive`
    finding counts at once.
    """

    signal: str
    word: str
    old: float | None = None
    new: float | None = None
    counts: tuple[int, int] = (0, 0)
    p: float | None = None
    reason: str = ""
    decisive: bool = False


@dataclass(frozen=True, slots=True)
class Events:
    """How many events there were in how many container-seconds, or among how many requests."""

    count: int = 0
    seconds: float = 0.0

    def __add__(self, other: Events) -> Events:
        """Both times together."""
        return Events(self.count + other.count, self.seconds + other.seconds)

    def per(self, unit: float) -> float | None:
        """The rate for so many seconds; None where nothing was observed."""
        return unit * self.count / self.seconds if self.seconds > 0 else None


@dataclass(frozen=True, slots=True)
class EventRate:
    """Events of the old containers before the upgrade and beside the new ones, and of the new ones.

    Fewer than `minimum` of the new ones say nothing, nor does less than `factor` times the old rate. What is shown is
    the rate for `unit` seconds (requests).
    """

    signal: str
    before: Events
    beside: Events
    new: Events
    minimum: int = 2
    factor: float = 2.0
    missing: str = ""
    unit: float = 3600.0

    @property
    def old(self) -> Events:
        """What the new ones are compared with.

        All that is known of the old ones, unless they had such events meanwhile as well: what both have may have one
        cause outside, so that the same time is compared alone.
        """
        return self.beside if self.beside.count else self.before + self.beside

    def find(self, level: float) -> Finding:
        """Whether the new ones have them more often."""
        counts, rates = (self.old.count, self.new.count), (self.old.per(self.unit), self.new.per(self.unit))
        if self.missing or self.new.seconds <= 0:
            reason = self.missing or "No new container was seen running."
            return Finding(self.signal, UNKNOWN, *rates, counts, reason=reason)
        if self.old.seconds <= 0:
            word = NOT_WORSE if not self.new.count else UNKNOWN
            return Finding(self.signal, word, *rates, counts, reason="There is nothing to compare with.")
        p = chance_of_more_events(self.old.count, self.old.seconds, self.new.count, self.new.seconds)
        is_more = self.new.count >= self.minimum and (rates[1] or 0) >= self.factor * (rates[0] or 0)
        return Finding(self.signal, WORSE if is_more and p <= level else NOT_WORSE, *rates, counts, p)


@dataclass(frozen=True, slots=True)
class Level:
    """Samples of something that is the worse the higher it is; those of before where there are few beside.

    The new median has to be higher by `factor` and by `least`: what is certain need not matter. `now` are the old and
    the new ones' at this moment, None where nothing is known.
    """

    signal: str
    unit: str
    before: Sequence[float] = ()
    beside: Sequence[float] = ()
    new: Sequence[float] = ()
    factor: float = 1.5
    least: float = 0.0
    missing: str = ""
    now: tuple[float | None, float | None] = (None, None)

    @property
    def old(self) -> Sequence[float]:
        """What the new ones are compared with."""
        return self.beside if len(self.beside) >= MIN_SAMPLES else self.before

    def find(self, level: float) -> Finding:
        """Whether the new ones need more."""
        old, new = thinned(self.old), thinned(self.new)
        counts = (len(old), len(new))
        middle = (median(old) if old else None, median(new) if new else None)
        if self.missing or min(counts) < MIN_SAMPLES or middle[0] is None or middle[1] is None:
            reason = self.missing or f"It needs at least {MIN_SAMPLES} minutes of each."
            return Finding(self.signal, UNKNOWN, *middle, counts, reason=reason)
        p = chance_of_higher_levels(old, new)
        is_higher = middle[1] >= self.factor * middle[0] and middle[1] - middle[0] >= self.least
        return Finding(self.signal, WORSE if is_higher and p <= level else NOT_WORSE, *middle, counts, p)


def thinned(values: Sequence[float]) -> Sequence[float]:
    """At most `MAX_SAMPLES` of them, spread evenly."""
    if len(values) <= MAX_SAMPLES:
        return values
    return [values[at * len(values) // MAX_SAMPLES] for at in range(MAX_SAMPLES)]


@dataclass(frozen=True, slots=True)
class Containers:
    """How the new containers are, right now and without statistics, each problem in words for a person.

    `crashing`: ends again and again; `failed`: could not be made or started, or ended with an error for good;
    `unhealthy`: its health check has failed for a while; `unready`: not running and healthy yet.
    """

    seen: int = 0
    crashing: Sequence[str] = ()
    failed: Sequence[str] = ()
    unhealthy: Sequence[str] = ()
    unready: Sequence[str] = ()
    is_checked: bool = False

    def find(self) -> tuple[Finding, ...]:
        """Whether they start and stay up, and what their health checks say."""
        trouble = [*self.crashing, *self.failed]
        if trouble:
            running = Finding("running", WORSE, counts=(0, len(trouble)), reason=trouble[0], decisive=True)
        elif not self.seen or self.unready:
            reason = self.unready[0] if self.unready else "None has been started yet."
            running = Finding("running", UNKNOWN, counts=(0, len(self.unready)), reason=reason)
        else:
            running = Finding("running", NOT_WORSE, counts=(0, 0))
        if self.unhealthy:
            why = self.unhealthy[0]
            return running, Finding("health", WORSE, counts=(0, len(self.unhealthy)), reason=why, decisive=True)
        if not self.is_checked:
            return running, Finding("health", UNKNOWN, reason="They have no health check.")
        return running, Finding("health", NOT_WORSE if running.word == NOT_WORSE else UNKNOWN)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that a verdict is drawn from."""

    containers: Containers
    rates: Sequence[EventRate] = ()
    levels: Sequence[Level] = ()
    exits: Sequence[str] = field(default=())  # how new containers ended, in words
