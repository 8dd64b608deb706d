"""The policy for lost hosts in words and in compose files."""

from __future__ import annotations

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.stacks.lost_host_policy import (
    LOST_HOST_LABEL,
    lost_after_from_labels,
    policy_name,
    with_lost_host_label,
)
from apps.stacks.models import Service
from apps.stacks.selectors import stack_export
from apps.stacks.services import service_update, stack_create
from tests.loop.simulated_fleet import SimulatedFleet

COMPOSE = """
version: "2"
services:
  web:
    image: bb:local
    labels:
      io.corral.lost_host: {policy}
"""


@pytest.mark.parametrize(
    ("text", "after"),
    [("wait", None), ("reschedule", 60), ("reschedule 90", 90), ("reschedule 90s", 90), (" reschedule  15 ", 15)],
)
def test_a_label_says_it(text: str, after: int | None) -> None:
    assert lost_after_from_labels({LOST_HOST_LABEL: text}) == after


@pytest.mark.parametrize("text", ["never", "reschedule soon", "reschedule 5", "reschedule 99999999999", "wait90"])
def test_a_bad_label_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        lost_after_from_labels({LOST_HOST_LABEL: text})
    assert (caught.value.field, LOST_HOST_LABEL in caught.value.message) == ("labels", True)


def test_no_label_is_waiting() -> None:
    assert (lost_after_from_labels({}), policy_name(None), policy_name(5)) == (None, "wait", "reschedule")


def test_the_label_follows_the_policy() -> None:
    config = LaunchConfig.from_wire(
        {"imageUuid": "docker:bb:local", "labels": {LOST_HOST_LABEL: "wait", "tier": "front"}}
    )
    assert with_lost_host_label(config, None).labels == {"tier": "front"}
    assert with_lost_host_label(config, 90).labels == {"tier": "front", LOST_HOST_LABEL: "reschedule 90"}


def test_a_compose_file_brings_it_and_takes_it_away(fleet: SimulatedFleet, lab: Environment) -> None:
    text = COMPOSE.format(policy="reschedule 90")
    stack = stack_create(actor=fleet.actor, environment=lab, name="files", docker_compose=text)
    service = Service.all_objects.get(name="web")
    assert service.lost_after == 90
    service_update(service, actor=fleet.actor, lost_host=("reschedule", 120))
    assert f"{LOST_HOST_LABEL}: reschedule 120" in stack_export(fleet.actor, stack)[0]
    service.refresh_from_db()
    service_update(service, actor=fleet.actor, lost_host=("wait", None))
    assert LOST_HOST_LABEL not in stack_export(fleet.actor, stack)[0]


def test_a_compose_file_with_a_bad_one_makes_nothing(fleet: SimulatedFleet, lab: Environment) -> None:
    with pytest.raises(Invalid, match="write `wait` or `reschedule 60`"):
        stack_create(actor=fleet.actor, environment=lab, name="bad", docker_compose=COMPOSE.format(policy="soon 5x"))
    assert Service.all_objects.count() == 0
