"""How a service and a stack are: one decision from what is known of their parts, the worst of which counts. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

HEALTHY, COMPLETED, STOPPED = "healthy", "completed", "stopped"
INITIALIZING, DEGRADED, UNKNOWN, UNHEALTHY = "initializing", "degraded", "unknown", "unhealthy"

# From the best to the worst; `stopped` is not on it: what is not wanted to run is neither well nor ill.
SEVERITY = (HEALTHY, COMPLETED, INITIALIZING, DEGRADED, UNKNOWN, UNHEALTHY)

# The contract has no words for the other three. A service without contact to its host does not do what it should.
_WIRE_WORDS = {COMPLETED: "started-once", UNKNOWN: DEGRADED, STOPPED: INITIALIZING}


@dataclass(frozen=True, slots=True)
class Unit:
    """What is known of one container of an active service.

    `state` is its displayed state, `check` what its health check says, `is_failing` when it failed or keeps crashing,
    `is_lost` when its host does not answer. `is_over` is a job that has ended for good, `has_failed` one that did so
    with an error of its own: what somebody stopped has not failed.
    """

    state: str
    check: str = ""
    is_failing: bool = False
    is_lost: bool = False
    is_over: bool = False
    has_failed: bool = False


def unit_health(unit: Unit) -> str:
    """The health of one container: what cannot be seen is unknown, whatever was last seen there."""
    if unit.is_over:  # wherever its host is
        return UNHEALTHY if unit.has_failed else COMPLETED
    if unit.is_lost:
        return UNKNOWN
    if unit.is_failing or unit.state == "error" or unit.check == UNHEALTHY:
        return UNHEALTHY
    if unit.state == "paused":
        return DEGRADED
    return HEALTHY if unit.state == "running" and unit.check in {"", HEALTHY} else INITIALIZING


def worst_of(units: Sequence[Unit]) -> Unit:
    """Who speaks for containers that work together: the worst of them; one whose work is over is no worse than well."""
    return max(units, key=lambda unit: -1 if (word := unit_health(unit)) == COMPLETED else SEVERITY.index(word))


def service_health(desired: str, scale: int, units: Collection[Unit]) -> str:
    """The health of a service that should have `scale` containers: degraded while a part of them does its work."""
    if desired != "active":
        return STOPPED
    found = [unit_health(unit) for unit in units]
    found += [INITIALIZING] * (scale - len(found))
    worst = max(found, key=SEVERITY.index, default=HEALTHY)
    does_some_work = HEALTHY in found or DEGRADED in found
    return DEGRADED if worst in {UNHEALTHY, UNKNOWN} and does_some_work else _without_mixed_success(worst, found)


def _without_mixed_success(worst: str, found: Iterable[str]) -> str:
    """Completed only if every container is: while others run, the service goes on."""
    return HEALTHY if worst == COMPLETED and HEALTHY in found else worst


def stack_health(services: Iterable[str]) -> str:
    """The health of a stack: its worst service's; stopped ones count only when all are."""
    found = list(services)
    going = [word for word in found if word != STOPPED]
    if found and not going:
        return STOPPED
    worst = max(going, key=lambda word: SEVERITY.index(word) if word in SEVERITY else 0, default=HEALTHY)
    return _without_mixed_success(worst, going)


def wire_health(word: str) -> str:
    """The word for it in the v1 contract."""
    return _WIRE_WORDS.get(word, word)
