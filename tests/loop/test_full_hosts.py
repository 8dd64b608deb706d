"""A global service leaves out the hosts that cannot take its container now, says why, and comes when they can."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.environments.models import Environment
from apps.hosts.services import host_update
from apps.stacks.full_hosts import full_hosts
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import health_of
from apps.stacks.services import service_create
from tests.loop.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.faces
GLOBAL = {"io.rancher.scheduler.global": "true"}


@pytest.fixture
def serve(shop: Stack, fleet: SimulatedFleet) -> Callable[..., Service]:
    """A global service, at rest."""

    def make(**fields: Any) -> Service:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": GLOBAL, **fields})
        row = service_create(actor=fleet.actor, stack=shop, name="web", config=config, start_on_create=True)
        fleet.run()
        return again(row)

    return make


def again(row: Service) -> Service:
    """The service as it is now."""
    found: Service = Service.all_objects.get(pk=row.pk)
    return found


def look(row: Service, fleet: SimulatedFleet) -> Service:
    """The service after it was reconciled once more, as it is now and then."""
    Service.all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
    fleet.run()
    return again(row)


def occupy(fleet: SimulatedFleet, lab: Environment, port: str = "80:80", **fields: Any) -> Container:
    """A container of somebody else's on h2."""
    launch = {"imageUuid": "docker:bb:local", "ports": [port], "requestedHostId": f"1h{fleet.host(2).pk}", **fields}
    row = container_create(actor=fleet.actor, environment=lab, name="other", config=LaunchConfig.from_wire(launch))
    fleet.run()
    return row


def test_a_host_whose_port_is_taken_is_left_out_and_named(serve: Any, fleet: SimulatedFleet, lab: Environment) -> None:
    other = occupy(fleet, lab)
    row = serve(ports=["80:80"])
    assert fleet.names(1) == ["shop_web_1"]
    assert (row.display_state, row.transitioning, health_of(row)) == ("active", "no", "healthy")
    assert row.status["on_hosts"] == 1
    assert row.message == "Not on h2: port 80/tcp is in use by other"
    assert Container.all_objects.filter(spread_key=str(row.uuid)).count() == 1  # none that waits, or came and went
    container_act(Container.all_objects.get(pk=other.pk), "remove", actor=fleet.actor)
    fleet.run()
    row = look(row, fleet)
    assert fleet.names(2) == ["shop_web_2"]
    assert (row.status["on_hosts"], row.message) == (2, "")


def test_a_host_without_room_for_the_reservation_is_left_out(serve: Any, fleet: SimulatedFleet) -> None:
    host_update(fleet.host(2), actor=fleet.actor, memory_limit=64 * 1024 * 1024)
    fleet.run()
    row = serve(memoryReservation=128 * 1024 * 1024)
    assert (fleet.running(), row.display_state) == (["shop_web_1"], "active")
    assert row.message == "Not on h2: it has less than 128.0 MB of memory that is not reserved"
    host_update(fleet.host(2), actor=fleet.actor, memory_limit=256 * 1024 * 1024)
    fleet.run()
    assert look(row, fleet).status["on_hosts"] == 2


def test_what_runs_already_stays_although_its_port_is_its_own(serve: Any, fleet: SimulatedFleet) -> None:
    row = serve(ports=["80:80"])
    before = set(Container.all_objects.filter(spread_key=str(row.uuid)).values_list("pk", flat=True))
    row = look(look(row, fleet), fleet)
    after = set(Container.all_objects.filter(spread_key=str(row.uuid)).values_list("pk", flat=True))
    assert (before, row.message, row.status["on_hosts"]) == (after, "", 2)


def test_one_that_waits_for_a_port_gives_up_its_place(serve: Any, fleet: SimulatedFleet, lab: Environment) -> None:
    """The port was taken between the plan and the placement."""
    row = serve(ports=["80:80"])
    mine = Container.all_objects.get(spread_key=str(row.uuid), host=fleet.host(2))
    fleet.engine(2).remove(mine.external_id)
    Container.all_objects.filter(pk=mine.pk).update(host=None, external_id="", state="creating", fault=True, status={})
    occupy(fleet, lab)
    row = look(row, fleet)
    assert (row.display_state, row.status["on_hosts"]) == ("active", 1)
    assert row.message == "Not on h2: port 80/tcp is in use by other"
    assert Container.all_objects.get(pk=mine.pk).display_state in {"removing", "removed"}


def test_no_query_is_made_for_a_service_that_takes_no_port(
    serve: Any, fleet: SimulatedFleet, django_assert_num_queries: Any
) -> None:
    row = serve()
    row.environment  # noqa: B018 - read already in a reconcile
    with django_assert_num_queries(0):
        assert full_hosts(row, [fleet.hosts[0], fleet.hosts[1]]) == {}
