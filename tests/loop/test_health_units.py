"""Health checks of deployment units on two hosts: what of a unit is replaced, where, and who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.network_checks import checks_on, store_reports
from apps.hosts.services import host_act, host_drain
from apps.stacks import recreation
from apps.stacks.models import Service, Stack
from apps.stacks.recreation import RECREATED
from apps.stacks.rollout import revision_of
from apps.stacks.services import service_create, service_update
from apps.stacks.sidekicks import PRIMARY, Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.simulated_fleet import SimulatedFleet, container_of

pytestmark = pytest.mark.faces

CHECK = {"port": 80}


def config(image: str = "docker:bb:local", **more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": image, **more})


def checked_log(**check: Any) -> Sidekick:
    """A sidekick in the primary's network, with a check of its own."""
    return Sidekick("log", config(networkMode="container", networkLaunchConfig="web", healthCheck={**CHECK, **check}))


@pytest.fixture
def serve(fleet: SimulatedFleet, shop: Stack) -> Callable[..., Service]:
    """An active service of units with a log beside each container, all of them healthy."""

    def make(scale: int = 1, log: Sidekick | None = None, **more: Any) -> Service:
        unit = UnitConfig(config(healthCheck=CHECK), (log or checked_log(),))
        row = service_create(
            actor=fleet.actor, stack=shop, name="web", config=unit, scale=scale, start_on_create=True, **more
        )
        fleet.run()
        report(fleet, *members(row), state="healthy")
        return Service.all_objects.get(pk=row.pk)

    return make


def members(service: Service, name: str = "") -> list[Container]:
    rows = Container.all_objects.filter(spread_key=str(service.uuid), removed=None, desired="running")
    return list((rows.filter(launch_name=name) if name else rows).order_by("name", "pk"))


def report(fleet: SimulatedFleet, *rows: Container, state: str, reason: str = "") -> None:
    """What the hosts' agents say of these containers."""
    for row in rows:
        row.refresh_from_db()
        found = {"state": state, "reason": reason, "run": row.status["started_at"]}
        store_reports(row.host_id or 0, {str(row.uuid): found})
    fleet.run()
    fleet.run()


def test_a_sidekick_is_checked_at_the_address_that_it_shares(fleet: SimulatedFleet, serve: Any) -> None:
    service = serve()
    (web,), (log,) = members(service, PRIMARY), members(service, "log")
    checks = {check["id"]: check["address"] for check in checks_on(web.host_id or 0)}
    assert web.address
    assert not log.address
    assert checks == {str(web.uuid): web.address, str(log.uuid): web.address}
    assert [each.health for each in members(service)] == ["healthy", "healthy"]


def test_of_a_unit_only_the_unhealthy_sidekick_is_replaced(fleet: SimulatedFleet, serve: Any) -> None:
    service = serve(2)
    webs, (log, other) = members(service, PRIMARY), members(service, "log")
    report(fleet, log, state="unhealthy", reason="connection refused")
    assert [each.pk for each in members(service, PRIMARY)] == [each.pk for each in webs]
    new, same = members(service, "log")
    assert (new.name, new.deployment_unit, same.pk) == (log.name, log.deployment_unit, other.pk)
    assert new.pk != log.pk


def test_an_unhealthy_primary_keeps_its_unit_and_takes_along_what_shares_its_network(
    fleet: SimulatedFleet, serve: Any
) -> None:
    service = serve()
    (web,) = members(service, PRIMARY)
    report(fleet, web, state="unhealthy")
    (new,), (log,) = members(service, PRIMARY), members(service, "log")
    assert (new.deployment_unit, new.host_id) == (web.deployment_unit, web.host_id)
    assert new.pk != web.pk
    raw = fleet.engine(1 if log.host_id == fleet.hosts[0].pk else 2).inspect(log.external_id).raw
    assert raw["HostConfig"]["NetworkMode"] == f"container:{new.external_id}"


@pytest.mark.parametrize("name", [PRIMARY, "log"])
def test_the_second_time_in_a_row_the_whole_unit_moves_to_another_host(
    fleet: SimulatedFleet, serve: Any, name: str
) -> None:
    service = serve()
    (first,) = members(service, name)
    report(fleet, first, state="unhealthy")
    (second,) = members(service, name)
    report(fleet, second, state="unhealthy")
    assert second.pk == members(service, name)[0].pk, "it waits its turn"
    fleet.pass_time(seconds=recreation.FIRST_DELAY + 1)
    unit = members(service)
    assert len(unit) == 2
    assert len({each.deployment_unit for each in unit} | {first.deployment_unit}) == 2
    assert len({each.host_id for each in unit} | {first.host_id}) == 2
    assert [each.display_state for each in unit] == ["running"] * 2
    assert Service.all_objects.get(pk=service.pk).status[RECREATED]["1"][0] == 2


def test_without_another_host_a_healthy_primary_is_left_in_peace(fleet: SimulatedFleet, serve: Any) -> None:
    service = serve()
    (web,) = members(service, PRIMARY)
    empty = next(host for host in fleet.hosts if host.pk != web.host_id)
    empty.refresh_from_db()
    host_act(empty, "deactivate", actor=fleet.actor)
    fleet.run()
    for _ in range(3):
        report(fleet, *members(service, "log"), state="unhealthy")
        fleet.pass_time(seconds=recreation.MAX_DELAY)
    assert [each.pk for each in members(service, PRIMARY)] == [web.pk]
    assert Service.all_objects.get(pk=service.pk).status[RECREATED]["1"][0] == 3


def test_a_while_of_health_makes_the_next_failure_a_first_one(fleet: SimulatedFleet, serve: Any) -> None:
    service = serve()
    report(fleet, *members(service, "log"), state="unhealthy")
    report(fleet, *members(service), state="healthy")
    assert Service.all_objects.get(pk=service.pk).status[RECREATED]["1"][0] == 1
    fleet.pass_time(seconds=recreation.FIRST_DELAY + recreation.CALM_SECONDS + 300)
    assert Service.all_objects.get(pk=service.pk).status[RECREATED] == {}


def test_what_is_known_of_a_slot_goes_with_it(fleet: SimulatedFleet, serve: Any) -> None:
    service = serve(2)
    report(fleet, members(service, "log")[1], state="unhealthy")
    assert list(Service.all_objects.get(pk=service.pk).status[RECREATED]) == ["2"]
    service_update(Service.all_objects.get(pk=service.pk), actor=fleet.actor, scale=1)
    fleet.run()
    fleet.pass_time(seconds=400)
    assert Service.all_objects.get(pk=service.pk).status[RECREATED] == {}


def test_a_quorum_counts_containers_of_the_same_launch_configuration(fleet: SimulatedFleet, serve: Any) -> None:
    log = checked_log(strategy="recreateOnQuorum", recreateOnQuorumStrategyConfig={"quorum": 2})
    service = serve(3, log=log)
    first, second, _ = members(service, "log")
    report(fleet, first, state="unhealthy")
    assert members(service, "log")[0].pk != first.pk
    report(fleet, second, state="unhealthy")  # only one of three logs is healthy by now, with three healthy primaries
    assert members(service, "log")[1].pk == second.pk


def test_a_drain_waits_until_the_whole_unit_elsewhere_is_healthy(fleet: SimulatedFleet, serve: Any) -> None:
    service = serve()
    old = members(service)
    host = fleet.host(1 if old[0].host_id == fleet.hosts[0].pk else 2)
    host_drain(host, actor=fleet.actor)
    fleet.reconcile_hosts()
    new = [each for each in members(service) if each.pk not in {row.pk for row in old}]
    assert [each.display_state for each in new] == ["running"] * 2
    for each in new:
        fleet.pass_time(seconds=30)
        assert all(Container.all_objects.get(pk=row.pk).desired == "running" for row in old)
        report(fleet, each, state="healthy")
    fleet.pass_time(seconds=30)
    assert [each.pk for each in members(service)] == [each.pk for each in new]
    assert container_of(service, 1).host_id != host.pk


def test_what_takes_over_in_a_drain_is_replaced_as_well_when_it_is_unhealthy(fleet: SimulatedFleet, serve: Any) -> None:
    service = serve()
    old = members(service)
    host = fleet.host(1 if old[0].host_id == fleet.hosts[0].pk else 2)
    host_drain(host, actor=fleet.actor)
    fleet.reconcile_hosts()
    successor = next(each for each in members(service, PRIMARY) if each.host_id != host.pk)
    report(fleet, successor, state="unhealthy")
    fleet.pass_time(seconds=30)
    assert Container.all_objects.get(pk=successor.pk).removal_requested
    again = next(each for each in members(service, PRIMARY) if each.host_id != host.pk)
    assert again.pk != successor.pk
    assert Container.all_objects.get(pk=old[0].pk).desired == "running"


def test_an_upgrade_waits_for_sidekicks_and_never_for_what_it_is_to_mend(fleet: SimulatedFleet, serve: Any) -> None:
    for number in (1, 2):
        fleet.engine(number).local_images.add("bb:new")
    service = serve(2, log=checked_log(strategy="none"))
    report(fleet, *members(service, "log"), state="unhealthy")
    new = Sidekick("log", config("docker:bb:new", networkMode="container", networkLaunchConfig="web",
                                 healthCheck=CHECK))  # fmt: skip
    service = Service.all_objects.get(pk=service.pk)
    strategy = UpgradeStrategy(batch_size=1, interval_ms=100)
    service_upgrade(service, config=None, sidekicks=(new,), strategy=strategy, actor=fleet.actor)
    fleet.pass_time(seconds=30)
    fleet.pass_time(seconds=30)
    upgraded = [each for each in members(service, "log") if revision_of(each) == 2]
    assert len(upgraded) == 1, "the second batch waits for the first one's health"
    report(fleet, *upgraded, state="healthy")
    fleet.pass_time(seconds=30)
    assert [revision_of(each) for each in members(service, "log")] == [2, 2]
