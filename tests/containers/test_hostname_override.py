"""`io.rancher.container.hostname_override: container_name`: a container is called on the inside as on the outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.kind_labels import hostname_of
from apps.containers.models import Container
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.compose import parse
from apps.stacks.services import service_create, stack_create

LABEL = "io.rancher.container.hostname_override"


def config(label: str = "container_name", **fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": {LABEL: label}, **fields})


@pytest.mark.parametrize(
    ("made", "name", "found"),
    [
        (config(), "shop_web_1", "shop_web_1"),
        (config(" Container_Name "), "shop_web_1", "shop_web_1"),
        (config(hostname="mine"), "shop_web_1", "shop_web_1"),
        (config(), f"{'x' * 62}_1", "x" * 62),
        (config("other", hostname="mine"), "shop_web_1", "mine"),
        (config("false"), "shop_web_1", None),
        (LaunchConfig.from_wire({"imageUuid": "docker:a"}), "shop_web_1", None),
    ],
)
def test_the_label_comes_before_the_field(made: LaunchConfig, name: str, found: str | None) -> None:
    assert hostname_of(made, name) == found


def test_each_container_of_a_service_has_its_own_name(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    service_create(actor=actor_of("bob"), stack=stack, name="web", config=config(), scale=2, start_on_create=True)
    run_loop()
    bodies = [sim.inspect(row.external_id).raw for row in Container.all_objects.order_by("name")]
    assert [each["Config"]["Hostname"] for each in bodies] == ["shop_web_1", "shop_web_2"]


def test_importing_a_file_says_nothing_of_it_unless_its_value_is_another() -> None:
    (web,) = parse(f"web:\n  image: a\n  labels: {{{LABEL}: container_name}}\n").services
    assert web.warnings == ()
    (other,) = parse(f"web:\n  image: a\n  labels: {{{LABEL}: host}}\n").services
    assert other.warnings == (f"web: the label {LABEL} does nothing: it knows `container_name` alone; set `hostname`.",)
