"""How the outcomes of checks become a health: initializing, then healthy or unhealthy. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from health_checks.check import Check

INITIALIZING, HEALTHY, UNHEALTHY, UNCHECKED = "initializing", "healthy", "unhealthy", "unchecked"


@dataclass(frozen=True, slots=True)
class Health:
    """The health of one container since `since`.

    `streak` counts the outcomes in a row that speak against the state: failures of a healthy one, successes of any
    other. `reason` is the last failure's. `unchecked` is said by whoever cannot reach the address.
    """

    since: float
    state: str = INITIALIZING
    streak: int = 0
    reason: str = ""


def after_outcome(check: Check, health: Health, failure: str, now: float) -> Health:
    """The health after one more check; `failure` is empty when it succeeded."""
    if health.state == HEALTHY and not (failure or health.streak):  # as nearly always
        return health
    if health.state == UNCHECKED:  # it can be reached again: begin as at first
        health = Health(now)
    contradicts = bool(failure) == (health.state == HEALTHY)
    streak = health.streak + 1 if contradicts else 0
    reason = failure or health.reason
    if health.state == HEALTHY and streak >= check.unhealthy_threshold:
        return Health(now, UNHEALTHY, 0, reason)
    if health.state != HEALTHY and streak >= check.healthy_threshold:
        return Health(now, HEALTHY)
    return after_time(check, replace(health, streak=streak, reason=reason), now)


def after_time(check: Check, health: Health, now: float) -> Health:
    """The health once it is `now`: what has not become healthy in its time is unhealthy."""
    if health.state != INITIALIZING or not check.initializing or now - health.since < check.initializing:
        return health
    reason = f"it did not become healthy within {check.initializing:g} s"
    return Health(now, UNHEALTHY, 0, f"{reason}: {health.reason}" if health.reason else reason)
