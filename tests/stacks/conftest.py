"""A running stack of three services, files that upgrade it, and the loop run to its rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.control.reconcile import reconcile_until_idle
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create
from tests.stacks.shop import BEFORE, RANCHER

SERVICE_CONFIG = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})


@pytest.fixture
def shop(lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]) -> Stack:
    """A running stack of three services."""
    sim.local_images.add("bb:new")
    row = stack_create(
        actor=actor_of("bob"),
        environment=lab,
        name="shop",
        docker_compose=BEFORE,
        rancher_compose=RANCHER,
        start_on_create=True,
    )
    run_loop()
    row.refresh_from_db()
    return row


@pytest.fixture
def go(shop: Stack, run_loop: Callable[[], None]) -> Callable[[], str]:
    """Run the loop to rest, whatever was put off; the stack's state then."""

    def run() -> str:
        for _again in range(3):
            for model in (Service, Stack):
                model.all_objects.filter(removed=None).update(next_attempt_at=timezone.now())
            run_loop()
        shop.refresh_from_db()
        return shop.display_state

    return run


@pytest.fixture
def stack(lab: Environment, actor_of: Any) -> Stack:
    """A reconciled stack without services."""
    row = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    reconcile_until_idle()
    row.refresh_from_db()
    return row


@pytest.fixture
def serve(stack: Stack, actor_of: Any) -> Callable[..., Service]:
    """Creates a reconciled service that does not run."""

    def make(name: str = "web", who: str = "bob", **more: Any) -> Service:
        row = service_create(
            actor=actor_of(who), stack=more.pop("stack", stack), name=name, config=SERVICE_CONFIG, **more
        )
        reconcile_until_idle()
        row.refresh_from_db()
        return row

    return make
