"""Containers of services that their engine refuses to start for ever: made anew, with name, slot and volumes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.selectors import events_of
from apps.containers.services import container_act
from apps.control.reconcile import reconcile_one
from apps.drivers.docker.errors import error_from_response
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Slot
from apps.stacks.services import service_create, stack_create
from tests.loop.simulation import Crash

STUCK = error_from_response(500, "failed to create task for container: task 627b19: already exists: unknown")
DATA = "/data"


@pytest.fixture
def service(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    """One running container with a volume that has no name."""
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "dataVolumes": [DATA, "named:/named"]})
    row = service_create(actor=actor_of("bob"), stack=stack, name="db", config=config, scale=1, start_on_create=True)
    run_loop()
    return row


def container(service: Service) -> Container:
    found: Container = Container.all_objects.select_related("host").get(slot__service=service)
    return found


def volume(sim: SimulatedDriver) -> str:
    (box,) = sim.snapshots()
    (found,) = [each.name for each in box.mounts if each.target == DATA]
    return found


def again(service: Service) -> None:
    Container.all_objects.update(next_attempt_at=service.created)


def test_it_gets_another_with_its_name_and_its_volume(
    service: Service, sim: SimulatedDriver, run_loop: Callable[[], None]
) -> None:
    before, data = container(service), volume(sim)
    sim.crash(before.external_id, 137)
    sim.fail_next("start", STUCK)
    again(service)
    reconcile_one("container", before.pk)
    assert [each.id for each in sim.containers()] == [before.external_id], "its volumes are noted before it goes"
    assert "already exists" in container(service).message
    again(service)
    run_loop()
    after = container(service)
    assert (after.pk, after.name, after.display_state) == (before.pk, before.name, "running")
    assert after.external_id != before.external_id
    assert [each.id for each in sim.containers()] == [after.external_id]
    assert volume(sim) == data
    assert [(each.kind, "any more: failed to create task" in each.reason) for each in events_of(after)] == [
        ("recreated", True)
    ]
    assert Slot.objects.get(service=service).container_id == before.pk


def test_it_keeps_its_volume_though_the_worker_dies_once_it_is_removed(
    service: Service, sim: SimulatedDriver, run_loop: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, data = container(service), volume(sim)
    sim.crash(before.external_id, 137)
    sim.fail_next("start", STUCK)
    again(service)
    reconcile_one("container", before.pk)

    def die(*arguments: Any, **more: Any) -> None:
        assert more == {"volumes": False}
        SimulatedDriver.remove(sim, *arguments, **more)
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(sim, "remove", die)
        with pytest.raises(Crash):
            reconcile_one("container", before.pk)
    assert sim.containers() == []
    Container.all_objects.update(lease="", lease_until=None)
    again(service)
    run_loop()
    assert (container(service).display_state, volume(sim)) == ("running", data)


def test_one_that_a_person_starts_is_made_anew_as_well(
    service: Service, sim: SimulatedDriver, run_loop: Callable[[], None], actor_of: Any
) -> None:
    """And again, should that be stuck too."""
    data = volume(sim)
    for _ in range(2):
        before = container(service)
        Container.all_objects.filter(pk=before.pk).update(desired="stopped", generation=before.generation + 1)
        again(service)
        reconcile_one("container", before.pk)
        sim.fail_next("start", STUCK)
        container_act(container(service), "start", actor=actor_of("bob"))
        run_loop()
        again(service)
        run_loop()
        after = container(service)
        assert (after.display_state, after.external_id == before.external_id) == ("running", False)
        assert (len(sim.containers()), volume(sim)) == (1, data)
