"""A registry, services that run its images on simulated engines, and a clock that rounds go by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.core.models import Setting
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, stack_create
from apps.stacks.updates import registry_client
from apps.stacks.updates.checks import check_images
from apps.stacks.updates.image_upgrades import upgrade_by_policy
from apps.stacks.updates.models import ImageUpdate
from apps.stacks.verdict.observer import judge_upgrades
from tests.stacks.updates.tag_registry import TagRegistry, tag_registry


@pytest.fixture
def registry(db: None) -> Iterator[TagRegistry]:
    """A registry that an administrator allowed the portal to ask."""
    registry_client.tokens.clear()
    with tag_registry() as made:
        Setting.objects.update_or_create(
            name="updates.registries", defaults={"value": f"http://{made.address}, http://{made.address}"}
        )
        yield made


class Clock:
    """Rounds of the job, one after the other, by a clock of their own."""

    def __init__(self, run_loop: Callable[[], None]) -> None:
        self.now = timezone.now() + timedelta(seconds=1)
        self._run_loop = run_loop

    def round(self, seconds: float = 30, *, upgrades: bool = True) -> int:
        """One round, and what follows from it in the loop; returns how many tags were asked for."""
        self.now += timedelta(seconds=seconds)
        asked = check_images(self.now)
        if upgrades:
            upgrade_by_policy(self.now)
        return asked

    def settle(self) -> None:
        """Let the loop do everything, pauses between batches included."""
        for _ in range(40):
            self._run_loop()
            waiting = [row for row in Service.all_objects.filter(removed=None) if row.status.get("next_batch_at")]
            if not waiting:
                return
            for row in waiting:
                past = {**row.status, "next_batch_at": "2000-01-01T00:00:00+00:00"}
                Service.all_objects.filter(pk=row.pk).update(status=past, next_attempt_at=row.created)

    def watch(self, seconds: float) -> None:
        """Let upgrades be judged for so long."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now = min(end, self.now + timedelta(seconds=50))
            judge_upgrades(self.now)
        self.settle()

    def finish(self) -> None:
        """Let an upgrade be judged in all of its stages, each for the ten minutes of the default."""
        for _ in range(4):
            self.settle()
            self.watch(650)

    def at(self, hour: int, minute: int = 0) -> datetime:
        """Go on to the next time that clocks show this, in UTC."""
        wanted = self.now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        self.now = wanted if wanted > self.now else wanted + timedelta(days=1)
        return self.now


@pytest.fixture
def clock(run_loop: Callable[[], None]) -> Clock:
    return Clock(run_loop)


@pytest.fixture
def serve(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, clock: Clock, registry: TagRegistry
) -> Callable[..., Service]:
    """Starts a service of an image that the registry has, pulled onto the host as it is there now."""
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")

    def make(name: str = "web", image: str = "team/web:1", scale: int = 1, **more: Any) -> Service:
        full = registry.image(image)
        sim.registry.add(full)
        row = service_create(
            actor=actor_of("bob"),
            stack=stack,
            name=name,
            config=LaunchConfig.from_wire({"imageUuid": f"docker:{full}"}),
            scale=scale,
            start_on_create=True,
            **more,
        )
        clock.settle()
        row.refresh_from_db()
        return row

    return make


@pytest.fixture
def publish(registry: TagRegistry, sim: SimulatedDriver) -> Callable[[str, str], str]:
    """Has the registry's tag mean another image, which engines can pull by its digest."""

    def push(image: str, text: str) -> str:
        found = registry.push(image, text)
        sim.registry.add(f"{registry.image(image)}@{found}")
        return found

    return push


@pytest.fixture
def update_of() -> Callable[[Service], ImageUpdate]:
    """What is known of the one image of a service."""
    return lambda row: ImageUpdate.objects.get(service=row)
