"""An image that the portal builds itself gets to hosts without a registry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from apps.containers.built_images import builder_of
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.containers.services import container_create
from apps.drivers.base import EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host

IMAGE = "corral/haproxy:2.6"


def build_image(image: str) -> Iterable[bytes]:
    """As the portal's own builder, with nothing in the image."""
    builder = SimulatedDriver("builder")
    builder.local_images.add(image)
    return builder.save(image)


def fail_to_build(_image: str) -> Iterable[bytes]:
    raise EngineRefused("There is no haproxy here.")


@pytest.fixture
def wanted(lab: Environment, host: Host, actor_of: Any) -> Container:
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{IMAGE}"})
    return container_create(actor=actor_of("bob"), environment=lab, config=config, name="lb")


def test_it_is_built_and_sent(wanted: Container, sim: SimulatedDriver, settings: Any, run_loop: Any) -> None:
    settings.IMAGE_BUILDERS = {"corral/haproxy": f"{__name__}.build_image"}
    run_loop()
    wanted.refresh_from_db()
    assert wanted.display_state == "running"
    assert sim.calls["load"] == 1
    assert sim.calls["pull"] == 0


def test_a_registry_is_asked_where_it_cannot_be_built(
    wanted: Container, sim: SimulatedDriver, settings: Any, run_loop: Any
) -> None:
    settings.IMAGE_BUILDERS = {"corral/haproxy": f"{__name__}.fail_to_build"}
    sim.registry.add(IMAGE)
    run_loop()
    wanted.refresh_from_db()
    assert wanted.display_state == "running"
    assert Pull.all_objects.get().display_state == "pulled"


def test_only_that_name_is_built() -> None:
    assert builder_of("corral/haproxy") is not None
    assert builder_of("corral/haproxy:x") is not None
    assert builder_of("registry.example.com/corral/haproxy:2.6") is None
    assert builder_of("haproxy") is None
