"""How containers end: why, whether for good, and how often shortly after their start. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.utils.dateparse import parse_datetime

from apps.containers.launch.values import RestartPolicy
from apps.drivers.base import EngineContainer

MIN_LIFETIME = 10.0
MOST_NOTED = 3600  # seconds of a run, after which it does not matter how much longer it lasts
ENDED = frozenset({"exited", "dead"})


@dataclass(frozen=True, slots=True)
class RunEnd:
    """The end of one run: when, with which exit code, and what the engine says about it."""

    at: str
    exit_code: int | None = None
    oom_killed: bool = False
    error: str = ""

    @classmethod
    def of(cls, seen: EngineContainer | None) -> Self | None:
        """The end that the engine shows; None while it runs, and of what never ran."""
        if seen is None or seen.state not in {*ENDED, "restarting"} or not seen.finished_at:
            return None
        return cls(seen.finished_at, seen.exit_code, seen.oom_killed, seen.error)

    @classmethod
    def from_status(cls, status: Mapping[str, Any]) -> Self | None:
        """The last end that was stored in a container's status."""
        found = status.get("last_end")
        return cls(**found) if found else None

    def to_status(self) -> dict[str, Any]:
        """As `from_status` reads it."""
        return asdict(self)

    @property
    def reason(self) -> str:
        """Why, in a few words for a person."""
        if self.oom_killed:
            return "out of memory"
        if self.error:
            return self.error
        return f"exit code {self.exit_code}" if self.exit_code is not None else "ended"


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """Since when the container runs, by the portal's clock, and for how many `seconds` it has been seen to.

    A host's clock may be wrong, so that the engine's own time of the start only says that it is another run. One that
    was never seen to begin, as it is from before runs were noted, has no `since` and counts as an old one.
    """

    since: datetime | None = None
    seconds: int = MOST_NOTED

    @classmethod
    def from_status(cls, status: Mapping[str, Any]) -> Self:
        """What was stored in a container's status."""
        found = status.get("run")
        return cls(parse_datetime(found["since"]), int(found["seconds"])) if found else cls()

    @classmethod
    def of(cls, status: Mapping[str, Any], seen: EngineContainer, now: datetime) -> Self:
        """The run that the engine shows now, after what was stored before."""
        known = cls.from_status(status)
        if status.get("started_at") != seen.started_at:
            return cls(now, 0)
        lasted = MOST_NOTED if known.since is None else int((now - known.since) / timedelta(seconds=1))
        return cls(known.since, min(MOST_NOTED, max(lasted, known.seconds)))

    def to_status(self) -> dict[str, Any] | None:
        """As `from_status` reads it."""
        return {"since": self.since.isoformat(), "seconds": self.seconds} if self.since else None


def has_ended(seen: EngineContainer | None) -> bool:
    """Whether it ran and has ended, though a worker that was killed may never have seen it running."""
    return seen is not None and seen.state in ENDED and bool(seen.started_at)


def is_over(policy: RestartPolicy | None, seen: EngineContainer) -> bool:
    """Whether it has ended for good by its own restart policy, as with `docker compose up`.

    Without a policy a service keeps its containers running. The engine itself counts the tries of `on-failure`.
    """
    if policy is None or not policy.name or seen.state not in ENDED or not seen.started_at:
        return False
    if policy.name == "no":
        return True
    used_up = 0 < policy.maximum_retry_count <= seen.restart_count
    return policy.name == "on-failure" and (seen.exit_code == 0 or used_up)


def lifetime(seen: EngineContainer) -> float:
    """How many seconds its last run lasted; `MIN_LIFETIME` where that is not known."""
    started, finished = parse_datetime(seen.started_at or ""), parse_datetime(seen.finished_at or "")
    return (finished - started).total_seconds() if started and finished and finished > started else MIN_LIFETIME


def seconds_to_settle(seen: EngineContainer, now: datetime) -> float:
    """How much longer it has to run before an earlier crash is forgotten."""
    started = parse_datetime(seen.started_at or "")
    return max(0.0, MIN_LIFETIME - (now - started).total_seconds()) if started else 0.0


def count_crashes(
    known: int,
    before: EngineContainer | None,
    now: EngineContainer,
    engine_restarts: int,
    *,
    started: bool,
    failed: bool,
) -> int:
    """How many times in a row it ended shortly after its start.

    `before` is what the engine showed before this reconcile's step, `engine_restarts` how many restarts by the engine
    itself were known; `started` when the step started it again, `failed` when it ended at once.
    """
    by_engine = max(0, now.restart_count - engine_restarts)
    if by_engine:
        return known + by_engine if lifetime(now) < MIN_LIFETIME or now.state != "restarting" else 1
    if failed:
        return known + 1
    if not started:
        return known
    return known + 1 if before and lifetime(before) < MIN_LIFETIME else 0


def crash_message(crashes: int, end: RunEnd | None, *, delay: float = 0.0) -> str:
    """What is said about one that crashes; empty for a single crash, which is over once it is said."""
    if crashes < 2 and not delay:
        return ""
    reason = f" ({end.reason})" if end else ""
    return f"Keeps crashing{reason}; restarts in {delay:.0f} s." if delay else f"Keeps crashing{reason}."
