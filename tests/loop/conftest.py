"""A stack on two simulated hosts, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.environments.models import Environment
from apps.hosts.services import host_create
from apps.stacks.models import Stack
from apps.stacks.services import stack_create
from tests.loop.simulated_fleet import Clock, SimulatedFleet


@pytest.fixture
def fleet(
    lab: Environment, sim: Any, run_loop: Callable[[], None], actor_of: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimulatedFleet]:
    """Two hosts, h1 and h2, and a clock that tests move."""
    del sim
    real = timezone.now
    Clock.offset = timedelta()
    monkeypatch.setattr(timezone, "now", lambda: real() + Clock.offset)
    made = [host_create(actor=None, environment=lab, url=f"sim://fleet{n}", name=f"h{n}") for n in (1, 2)]
    run_loop()
    yield SimulatedFleet(made, run_loop, actor_of("alice"))
    for number in (1, 2, 3):
        registry.discard_driver(Endpoint(f"sim://fleet{number}"))


@pytest.fixture
def shop(fleet: SimulatedFleet, lab: Environment) -> Stack:
    """A stack without services."""
    row = stack_create(actor=fleet.actor, environment=lab, name="shop")
    fleet.run()
    return row
