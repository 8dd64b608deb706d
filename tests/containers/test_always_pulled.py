"""`io.rancher.container.pull_image: always`: no container is made from an image that may be an old one of that name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.drivers.base import EngineError
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, service_update, stack_create

IMAGE = "bb:local"
Loop = Callable[[], None]


@pytest.fixture
def service(lab: Environment, host: Host, actor_of: Any, run_loop: Loop) -> Service:
    """Three containers of an image that the host has."""
    made = service_create(
        actor=actor_of("alice"),
        stack=stack_create(actor=actor_of("alice"), environment=lab, name="shop"),
        name="web",
        config=LaunchConfig.from_wire(
            {"imageUuid": f"docker:{IMAGE}", "labels": {"io.rancher.container.pull_image": "always"}}
        ),
        scale=3,
        start_on_create=True,
    )
    run_loop()
    return made


def states() -> list[str]:
    return list(Container.all_objects.filter(removed=None).values_list("display_state", flat=True))


def test_the_containers_of_one_time_share_one_pull(service: Service, sim: SimulatedDriver):
    assert states() == ["running"] * 3
    assert sim.calls["pull"] == 1


def test_a_later_container_pulls_again(service: Service, actor_of: Any, run_loop: Loop, sim: SimulatedDriver):
    service_update(service, actor=actor_of("alice"), scale=4)
    run_loop()
    assert (states(), sim.calls["pull"]) == (["running"] * 4, 2)


def test_one_that_is_made_again_on_its_host_keeps_its_image(service: Service, run_loop: Loop, sim: SimulatedDriver):
    sim.remove(Container.all_objects.earliest("pk").external_id)
    run_loop()
    assert (states(), sim.calls["pull"]) == (["running"] * 3, 1)


def test_nothing_is_made_from_the_old_image_while_the_pull_fails(
    service: Service, actor_of: Any, run_loop: Loop, sim: SimulatedDriver
):
    sim.fail_next("pull", EngineError("the registry does not answer"), 100)
    service_update(service, actor=actor_of("alice"), scale=4)
    run_loop()
    assert sorted(states()) == ["creating", "running", "running", "running"]
    assert Pull.all_objects.get(image=IMAGE).display_state == "error"


def test_without_the_label_an_image_that_is_there_is_taken(
    lab: Environment, host: Host, actor_of: Any, run_loop: Loop, sim: SimulatedDriver
):
    config = LaunchConfig.from_wire(
        {"imageUuid": f"docker:{IMAGE}", "labels": {"io.rancher.container.pull_image": "no"}}
    )
    stack = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    service_create(actor=actor_of("alice"), stack=stack, name="web", config=config, scale=1, start_on_create=True)
    run_loop()
    assert (states(), sim.calls["pull"]) == (["running"], 0)
