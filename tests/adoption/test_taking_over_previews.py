"""What the preview of a take-over says: what stays, and what containers made later would have otherwise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.adoption.candidates import preview
from apps.adoption.services import adopt
from apps.core.errors import Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Stack
from apps.stacks.services import stack_create
from tests.adoption.projects import look
from tests.adoption.rancher_host import make_rancher


@pytest.fixture
def imported(lab: Environment, actor_of: Any, run_loop: Any) -> Callable[[str], Stack]:
    """Makes the stack `Old` of a compose text, as an import does."""

    def make(text: str) -> Stack:
        row = stack_create(
            actor=actor_of("bob"), environment=lab, name="Old", docker_compose=text, external_id="rancher:1"
        )
        run_loop()
        return row

    return make


UNITS = """
app:
  image: bb:local
  labels: {io.rancher.sidekicks: data}
data:
  image: bb:local
"""


def test_a_unit_without_its_sidekick_and_a_sidekick_without_its_unit_are_named(
    host: Host, sim: SimulatedDriver, imported: Any, actor_of: Any
) -> None:
    imported(UNITS)
    make_rancher(sim, "Old", "app", unit="u1")
    make_rancher(sim, "Old", "app", 2, sidekick="data", unit="u2")
    make_rancher(sim, "Old", "app", sidekick="other", unit="u1")
    look(host)
    plan = preview(actor_of("bob"), host, "rancher", "Old")
    assert [(each.name, len(each.containers)) for each in plan.services] == [("app", 1)]
    assert sorted(plan.notes) == [
        "r-Old-app-1-0a1b2c3d has no sidekick data, which is made.",
        "r-Old-app-data-2-0a1b2c3d is no sidekick of a container that is taken over: it stays as it is.",
        "r-Old-app-other-1-0a1b2c3d is no sidekick of a container that is taken over: it stays as it is.",
    ]


def test_a_paused_container_is_an_obstacle(host: Host, sim: SimulatedDriver, imported: Any, actor_of: Any) -> None:
    imported(UNITS)
    make_rancher(sim, "Old", "app", unit="u1")
    sim.pause(make_rancher(sim, "Old", "app", sidekick="data", unit="u1"))
    look(host)
    (obstacle,) = preview(actor_of("bob"), host, "rancher", "Old").obstacles
    assert "is paused on its host" in obstacle


def test_what_the_host_policy_forbids_of_the_container_itself_is_an_obstacle(
    host: Host, sim: SimulatedDriver, imported: Any, actor_of: Any
) -> None:
    stack = imported("web:\n  image: bb:local\n")
    make_rancher(sim, "Old", "web", HostConfig={"NetworkMode": "none", "Privileged": True})
    look(host)
    (obstacle,) = preview(actor_of("bob"), host, "rancher", "Old").obstacles
    assert "r-Old-web-1-0a1b2c3d: privileged" in obstacle, "the imported file does not say so"
    with pytest.raises(Invalid, match="host policy"):
        adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    assert not stack.adopted


def test_numbers_that_are_taken_are_given_anew(
    host: Host, sim: SimulatedDriver, imported: Any, actor_of: Any, run_loop: Any
) -> None:
    imported("web:\n  image: bb:local\n")
    make_rancher(sim, "Old", "web")
    look(host)
    adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")
    run_loop()
    again = make_rancher(sim, "Old", "web", unit="again", suffix="11111111")
    look(host)
    (planned,) = preview(actor_of("bob"), host, "rancher", "Old").containers
    assert (planned.engine_id, planned.number) == (again, 2)


def test_what_the_imported_stack_has_not_is_named_and_left(
    host: Host, sim: SimulatedDriver, imported: Any, actor_of: Any
) -> None:
    imported("web:\n  image: bb:local\n")
    make_rancher(sim, "Old", "gone")
    look(host)
    plan = preview(actor_of("bob"), host, "rancher", "Old")
    assert any("gone" in each for each in plan.notes)
    with pytest.raises(Invalid, match="no container here that the imported stack would take over"):
        adopt(actor=actor_of("bob"), host=host, kind="rancher", project="Old")


def test_another_image_than_the_file_names_is_shown(
    host: Host, sim: SimulatedDriver, imported: Any, actor_of: Any
) -> None:
    imported("db:\n  image: bb:local\n")
    sim.tag_image("bb:local", "bb:old")
    make_rancher(sim, "Old", "db", Image="bb:old")
    look(host)
    (difference,) = preview(actor_of("bob"), host, "rancher", "Old").differences
    assert (difference.field, difference.now, difference.later) == ("Image", "bb:old", "bb:local")


def test_volumes_that_a_later_container_would_not_have_are_shown(
    host: Host, sim: SimulatedDriver, imported: Any, actor_of: Any
) -> None:
    imported("db:\n  image: bb:local\n  volumes: ['kept:/kept', 'other:/moved']\n")
    make_rancher(sim, "Old", "db", HostConfig={"Binds": ["kept:/kept", "data_1:/moved", "extra:/extra", "/srv:/srv"]})
    look(host)
    found = preview(actor_of("bob"), host, "rancher", "Old").differences
    assert [(each.field, each.now, each.later) for each in found] == [
        ("Volumes /moved", "data_1", "other"),
        ("Volumes /extra", "extra", "a new, empty volume"),
    ]
