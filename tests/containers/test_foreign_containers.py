"""What an engine holds that carries another environment's or installation's label is left alone."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.engine import UUID_LABEL
from apps.containers.models import Container
from apps.containers.watch import handle_event
from apps.control.reconcile import reconcile_one
from apps.drivers.base import CreateRequest, EngineEvent
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host


@pytest.fixture
def foreign(people: Any, actor_of: Any) -> Environment:
    """Mallory's environment."""
    return environment_create(actor=actor_of("mallory"), name="Far")


def labelled(sim: SimulatedDriver, label: object, name: str = "theirs") -> str:
    return sim.create(CreateRequest(name, {"Image": "bb:local", "Labels": {UUID_LABEL: str(label)}}))


@pytest.mark.parametrize("state", ["removed", "running"])
def test_what_another_environment_knows_is_not_removed(
    state: str, host: Host, sim: SimulatedDriver, foreign: Environment
) -> None:
    elsewhere = Host.all_objects.create(environment=foreign, url="sim://far", desired="active")
    where = host if state == "removed" else elsewhere
    theirs = Container.all_objects.create(
        environment=foreign, host=where, name="theirs", external_id="e1", desired=state, state=state
    )
    made = labelled(sim, theirs.uuid)
    reconcile_one("host", host.pk)
    assert [seen.id for seen in sim.containers()] == [made]
    assert Container.all_objects.get(external_id=made).environment_id == host.environment_id
    theirs.refresh_from_db()
    assert (theirs.external_id, theirs.state) == ("e1", state)


def test_what_another_installation_knows_is_not_removed(host: Host, sim: SimulatedDriver) -> None:
    made = labelled(sim, uuid.uuid4())
    reconcile_one("host", host.pk)
    assert [seen.id for seen in sim.containers()] == [made]


def test_what_this_environment_removed_is_cleaned_up(host: Host, sim: SimulatedDriver) -> None:
    gone = Container.all_objects.create(
        environment=host.environment,
        host=host,
        name="gone",
        desired="removed",
        state="removed",
        removed=timezone.now(),
    )
    labelled(sim, gone.uuid)
    reconcile_one("host", host.pk)
    assert sim.containers() == []


def test_an_event_requeues_no_container_of_another_environment(
    host: Host, foreign: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Container.all_objects.create(environment=foreign, name="theirs", external_id="e1", desired="running")
    requeued: list[tuple[str, int]] = []
    monkeypatch.setattr("apps.containers.watch.enqueue", lambda kind, key: requeued.append((kind, key)))
    for attributes in ({}, {UUID_LABEL: str(theirs.uuid)}):
        handle_event(host.pk, EngineEvent(1.0, "container", "die", "e1", attributes))
    assert requeued == [("host", host.pk)] * 2
