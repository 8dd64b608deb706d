"""Simulated hosts in a row, and the words with which tests look at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.stacks.models import Service, Slot, Stack
from apps.stacks.services import service_create

CONFIG = {"imageUuid": "docker:bb:local"}


@dataclass
class SimulatedFleet:
    """Hosts h1, h2 ... with an engine each, and the loop that reconciles everything."""

    hosts: list[Host]
    run: Callable[[], None]
    actor: Actor

    def engine(self, number: int) -> SimulatedDriver:
        """The engine of host `number` (from 1)."""
        return engine.simulated_engine(f"fleet{number}")

    def host(self, number: int) -> Host:
        """Host `number` as it is now."""
        found: Host = Host.all_objects.get(pk=self.hosts[number - 1].pk)
        return found

    def names(self, number: int) -> list[str]:
        """What runs on host `number`, by name."""
        boxes = self.engine(number).containers()
        return sorted(seen.name for seen in boxes if seen.state == "running")

    def running(self) -> list[str]:
        """What runs anywhere, by name."""
        return sorted(name for number in range(1, len(self.hosts) + 1) for name in self.names(number))

    def reconcile_hosts(self) -> None:
        """Look at every host once, whatever its next look, then at what that made due."""
        Host.all_objects.update(next_attempt_at=timezone.now())
        self.run()

    def pass_time(self, **span: float) -> None:
        """Let time pass: rows that are due by then are reconciled, in steps."""
        Clock.offset += timedelta(**span)
        self.run()
        self.reconcile_hosts()

    def pass_moment(self, **span: float) -> None:
        """Let time pass: what is due by then is reconciled; nobody looks at the hosts."""
        Clock.offset += timedelta(**span)
        self.run()

    def service(self, stack: Stack, name: str = "web", scale: int = 2, **more: Any) -> Service:
        """An active service, at rest."""
        config = LaunchConfig.from_wire({**CONFIG, **more.pop("config", {})})
        row = service_create(
            actor=self.actor, stack=stack, name=name, config=config, scale=scale, start_on_create=True, **more
        )
        self.run()
        return Service.all_objects.get(pk=row.pk)

    def host_by_slot(self, service: Service) -> dict[int, str]:
        """Slot number to the name of the host its container is on."""
        slots = Slot.objects.filter(service=service).select_related("container__host")
        return {slot.number: str(slot.container.host) for slot in slots if slot.container is not None}


class Clock:
    """How far the tests' time is ahead."""

    offset = timedelta()


def container_of(service: Service, number: int) -> Container:
    """The container in a slot."""
    found: Container = Container.all_objects.get(slot__service=service, slot__number=number)
    return found
