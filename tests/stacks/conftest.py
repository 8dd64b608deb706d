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
from apps.stacks.services import link_add, service_create, stack_create
from tests.stacks.handovers import running
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


@pytest.fixture
def handover_pair(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> tuple[Service, Service]:
    """Two containers of the old service, none of the new one; a third links to the old one as `back`."""
    sim.local_images.add("bb:new")
    bob = actor_of("bob")
    stack = stack_create(actor=bob, environment=lab, name="shop")
    for name, image, scale in (("old", "bb:local", 2), ("new", "bb:new", 0), ("user", "bb:local", 1)):
        config = LaunchConfig.from_wire({"imageUuid": f"docker:{image}"})
        service_create(actor=bob, stack=stack, name=name, config=config, scale=scale, start_on_create=True)
    run_loop()
    old, new, user = (Service.all_objects.get(name=name) for name in ("old", "new", "user"))
    link_add(user, old, "back", actor=bob)
    run_loop()
    return old, new


@pytest.fixture
def step(handover_pair: tuple[Service, Service], run_loop: Callable[[], None]) -> Callable[[], tuple[int, int, str]]:
    """Run the loop as far as it gets; the pauses are over at once. Containers of both, and the old one's state."""
    old, new = handover_pair

    def run() -> tuple[int, int, str]:
        run_loop()
        for row in handover_pair:
            row.refresh_from_db()
            Service.all_objects.filter(pk=row.pk).update(
                status={**row.status, "next_batch_at": None}, next_attempt_at=timezone.now()
            )
        run_loop()
        for row in handover_pair:
            row.refresh_from_db()
        return running(old), running(new), old.display_state

    return run
