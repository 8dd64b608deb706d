"""What tests of scheduled services share: a clock that they move, and words for the history of the runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.containers.models import Container
from apps.drivers.simulated.engine import SimulatedDriver
from apps.stacks.models import ServiceRun

EVERY_HOUR = {"cron": "0 * * * *"}
START = "2086-05-05 11:59"


class Watch:
    """A clock that goes on by itself, and that tests move."""

    def __init__(self) -> None:
        self.real = timezone.now
        self.offset = timedelta()

    def now(self) -> datetime:
        return self.real() + self.offset

    def set(self, text: str) -> None:
        """Make it this time, in UTC."""
        self.offset = datetime.fromisoformat(text).replace(tzinfo=UTC) - self.real()


def history(*more: str) -> list[Any]:
    """The entries, the oldest first: when due, state, and further columns."""
    rows = ServiceRun.objects.order_by("due_at")
    return [(f"{row.due_at:%d. %H:%M}", row.state, *(getattr(row, name) for name in more)) for row in rows]


def boxes() -> list[Container]:
    """The containers of all runs that were not removed, the oldest first."""
    return list(Container.all_objects.filter(removed=None).order_by("pk"))


def end(sim: SimulatedDriver, run_loop: Callable[[], None], code: int = 0) -> None:
    """The run that goes on ends."""
    running = [seen for seen in sim.containers() if seen.state == "running"]
    assert len(running) == 1
    sim.crash(running[0].id, code)
    Container.all_objects.filter(external_id=running[0].id).update(next_attempt_at=timezone.now())
    run_loop()
