"""A stack of seventeen containers in five units comes up on three hosts, each unit where its rules let it be."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from apps.containers.models import Container
from apps.control.models import Operation, OperationLine
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.environments.models import Environment
from apps.hosts.services import host_create
from apps.stacks.models import Service, Stack
from apps.stacks.services import stack_create
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.stack_upgrade import stack_act
from tests.loop.simulated_fleet import SimulatedFleet

TEMPLATES = Path(__file__).parents[1] / "stacks" / "templates"
VARIABLES = {"image": "bb:local", "stay": "sleep 600", "end": "true", "cluster": "c1", "replicas": "3", "memory": "512"}


@pytest.fixture
def stack(fleet: SimulatedFleet, lab: Environment) -> Stack:
    registry.discard_driver(Endpoint("sim://fleet3"))
    fleet.hosts.append(host_create(actor=None, environment=lab, url="sim://fleet3", name="h3"))
    fleet.run()
    row = stack_create(
        actor=fleet.actor,
        environment=lab,
        name="data",
        docker_compose=(TEMPLATES / "big-data.yml").read_text(),
        rancher_compose=(TEMPLATES / "big-data.rancher.yml").read_text(),
        variables=VARIABLES,
        start_on_create=True,
    )
    for _ in range(3):
        fleet.pass_time(seconds=61)
    return row


def test_seventeen_containers_come_up_where_they_may(fleet: SimulatedFleet, stack: Stack) -> None:
    states = dict(Service.all_objects.filter(stack=stack).values_list("name", "state"))
    assert states == dict.fromkeys(["name-node", "data-node", "worker", "history", "resource-manager"], "active")
    boxes = list(Container.all_objects.filter(removed=None).select_related("host"))
    assert (len(boxes), len(fleet.running())) == (17, 12), "the five that only hold volumes have ended"
    hosts: dict[str, set[str]] = {}
    for each in boxes:
        hosts.setdefault(each.name.split("_")[1], set()).add(str(each.host))
    assert {len(each) for each in hosts.values()} == {1}, "a unit is on one host"
    assert hosts["name-node"] == hosts["resource-manager"] == hosts["history"]
    assert hosts["data-node"] == hosts["worker"] != hosts["name-node"]
    assert Counter(each.launch_name == PRIMARY for each in boxes) == {True: 5, False: 12}


def test_the_activity_says_nothing_of_labels_that_work_and_deleting_leaves_nothing(
    fleet: SimulatedFleet, stack: Stack
) -> None:
    made = Operation.all_objects.get(kind="stack", target=stack.pk, name="stack.create")
    lines = list(OperationLine.objects.filter(operation=made).values_list("text", flat=True))
    assert not [line for line in lines if "hostname_override" in line]
    stack.refresh_from_db()
    stack_act(stack, "remove", actor=fleet.actor)
    for _ in range(2):
        fleet.pass_time(seconds=61)
    assert not Container.all_objects.filter(removed=None).exists()
    assert not fleet.running()
