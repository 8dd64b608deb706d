"""Failing pulls as pages tell them, and trying again at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.failing_pulls import failing_pulls
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.containers.services import container_create, pulls_retry
from apps.control.reconcile import reconcile_one
from apps.core.errors import Forbidden, NotFound
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host

IMAGE = "nowhere/web:1"


@pytest.fixture
def waiting(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> None:
    """Two containers, as a service's, whose image nobody has."""
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{IMAGE}"})
    for name in ("web1", "web2"):
        container_create(actor=actor_of("bob"), environment=lab, config=config, name=name)
    Container.all_objects.update(keep_running=True)
    run_loop()


def test_a_failing_pull_is_told_once_with_its_remedy_and_its_hosts(waiting: None, lab: Environment):
    (found,) = failing_pulls(lab.pk, Container.all_objects.all())
    assert (found.image, found.hosts, found.failure.kind) == (IMAGE, ["h1"], "no access")
    assert found.next_at is not None
    assert "pull access denied" in found.message
    assert {row.status["pull_failed"] for row in Container.all_objects.all()} == {"no access"}
    assert failing_pulls(lab.pk + 1, Container.all_objects.all()) == []
    assert failing_pulls(lab.pk, Container.all_objects.none()) == []


def test_a_person_may_have_it_tried_at_once(waiting: None, lab: Environment, actor_of: Any, sim: SimulatedDriver):
    before = sim.calls["pull"]
    with pytest.raises(NotFound, match="No pull of other:1 has failed"):
        pulls_retry(actor=actor_of("bob"), environment_id=lab.pk, image="other:1")
    with pytest.raises(Forbidden):
        pulls_retry(actor=actor_of("rita"), environment_id=lab.pk, image=IMAGE)
    sim.registry.add(IMAGE)
    assert pulls_retry(actor=actor_of("bob"), environment_id=lab.pk, image=IMAGE) == 1
    reconcile_one("pull", Pull.all_objects.get().pk)
    assert (sim.calls["pull"], Pull.all_objects.get().display_state) == (before + 1, "pulled")
    for row in Container.all_objects.all():
        reconcile_one("container", row.pk)
    rows = Container.all_objects.all()
    assert {(row.display_state, row.status.get("pull_failed"), row.message) for row in rows} == {("running", None, "")}
