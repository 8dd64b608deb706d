"""Containers on the engine in memory as the agent of a Rancher server leaves them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.drivers.base import CreateRequest
from apps.drivers.simulated.engine import SimulatedDriver
from apps.stacks.models import Service, Stack

PRIMARY = "io.rancher.service.primary.launch.config"


def make_rancher(
    sim: SimulatedDriver,
    stack: str,
    service: str,
    number: int = 1,
    *,
    sidekick: str = "",
    unit: str = "",
    start: bool = True,
    labels: Mapping[str, str] | None = None,
    suffix: str = "0a1b2c3d",
    **body: Any,
) -> str:
    """One container of a service, or of a sidekick of it, in a network that only the old server knows."""
    name = "-".join([stack, service, *([sidekick] if sidekick else []), str(number)])
    unit = unit or f"unit-{stack}-{service}-{number}"
    found = {
        "Image": "bb:local",
        "Labels": {
            "io.rancher.cni.network": "ipsec",
            "io.rancher.cni.wait": "true",
            "io.rancher.container.ip": f"10.42.7.{number}/16",
            "io.rancher.container.name": name,
            "io.rancher.container.uuid": f"{number:08d}-0000-4000-8000-{abs(hash(name)) % 10**12:012d}",
            "io.rancher.project.name": stack,
            "io.rancher.project_service.name": f"{stack}/{service}",
            "io.rancher.service.deployment.unit": unit,
            "io.rancher.service.launch.config": sidekick or PRIMARY,
            "io.rancher.stack.name": stack,
            "io.rancher.stack_service.name": f"{stack}/{service}" + (f"/{sidekick}" if sidekick else ""),
            **(labels or {}),
        },
        "HostConfig": {"NetworkMode": "none"},
        **body,
    }
    made = sim.create(CreateRequest(f"r-{name}-{suffix}", found))
    if start:
        sim.start(made)
    return made


def states(*engines: SimulatedDriver) -> dict[str, tuple[str, str, str]]:
    """Everything on engines that a take-over must leave alone."""
    seen = [each.inspect(one.id) for each in engines for one in each.containers()]
    return {each.id: (each.name, each.state, each.started_at) for each in seen}


def scales_of(stack: Stack) -> dict[str, tuple[str, int]]:
    """State and scale of each service of a stack."""
    return {row.name: (row.display_state, row.scale) for row in Service.all_objects.filter(stack=stack)}
