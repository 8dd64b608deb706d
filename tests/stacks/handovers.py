"""What the tests of handovers from one service to another share."""

from __future__ import annotations

from collections.abc import Callable

from apps.containers.models import Container
from apps.stacks.handover_services import HandoverStrategy
from apps.stacks.models import Service, ServiceLink

FAST = HandoverStrategy(final_scale=3, batch_size=2, interval_ms=100, update_links=True)


def running(row: Service) -> int:
    """How many of its containers run."""
    return Container.all_objects.filter(spread_key=str(row.uuid), display_state="running").count()


def until(step: Callable[[], tuple[int, int, str]], state: str) -> list[tuple[int, int]]:
    """Take steps until the old one is in this state; the containers of both on the way."""
    found: list[tuple[int, int]] = []
    for _again in range(20):
        old, new, now = step()
        found += [(old, new)] if found[-1:] != [(old, new)] else []
        if now == state:
            return found
    raise AssertionError(f"not {state} but {now}: {found}")


def targets() -> dict[str, str]:
    """Where the links lead, by their names."""
    return {link.name: link.target.name for link in ServiceLink.objects.all()}
