"""The policy for lost hosts in words and in compose files."""

from __future__ import annotations

import pytest

from apps.containers.spec import LaunchConfig
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.stacks.lost import LABEL, from_labels, labelled, policy_of
from apps.stacks.models import Service
from apps.stacks.selectors import stack_export
from apps.stacks.services import service_update, stack_create
from tests.loop.yard import Fleet

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
    assert from_labels({LABEL: text}) == after


@pytest.mark.parametrize("text", ["never", "reschedule soon", "reschedule 5", "reschedule 99999999999", "wait90"])
def test_a_bad_label_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        from_labels({LABEL: text})
    assert (caught.value.field, LABEL in caught.value.message) == ("labels", True)


def test_no_label_is_waiting() -> None:
    assert (from_labels({}), policy_of(None), policy_of(5)) == (None, "wait", "reschedule")


def test_the_label_follows_the_policy() -> None:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": {LABEL: "wait", "tier": "front"}})
    assert labelled(config, None).labels == {"tier": "front"}
    assert labelled(config, 90).labels == {"tier": "front", LABEL: "reschedule 90"}


def test_a_compose_file_brings_it_and_takes_it_away(fleet: Fleet, lab: Environment) -> None:
    text = COMPOSE.format(policy="reschedule 90")
    stack = stack_create(actor=fleet.actor, environment=lab, name="files", docker_compose=text)
    service = Service.all_objects.get(name="web")
    assert service.lost_after == 90
    service_update(service, actor=fleet.actor, lost_host=("reschedule", 120))
    assert f"{LABEL}: reschedule 120" in stack_export(fleet.actor, stack)[0]
    service.refresh_from_db()
    service_update(service, actor=fleet.actor, lost_host=("wait", None))
    assert LABEL not in stack_export(fleet.actor, stack)[0]


def test_a_compose_file_with_a_bad_one_makes_nothing(fleet: Fleet, lab: Environment) -> None:
    with pytest.raises(Invalid, match="write `wait` or `reschedule 60`"):
        stack_create(actor=fleet.actor, environment=lab, name="bad", docker_compose=COMPOSE.format(policy="soon 5x"))
    assert Service.all_objects.count() == 0
