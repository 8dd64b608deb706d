"""A service of units with two sidekicks on simulated hosts, and what tests look at of it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create
from apps.stacks.sidekicks import PRIMARY, Sidekick, UnitConfig
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.simulated_fleet import CONFIG, SimulatedFleet

NEW = {"imageUuid": "docker:bb:new"}
ONE_BY_ONE = UpgradeStrategy(batch_size=1, interval_ms=60_000)
TOGETHER = UpgradeStrategy(batch_size=9, interval_ms=100)
NAMES = ("data", "log", PRIMARY)


def config(**more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({**CONFIG, **more})


def log(**more: Any) -> Sidekick:
    """The sidekick that shares the primary's network."""
    return Sidekick("log", config(networkLaunchConfig="web", **more))


def serve_units(fleet: SimulatedFleet, stack: Stack, scale: int = 2, **more: Any) -> Service:
    """An active service: the primary takes the volumes of `data`, and `log` shares the primary's network."""
    primary = config(dataVolumesFromLaunchConfigs=["data"], **more.pop("config", {}))
    row = service_create(
        actor=fleet.actor,
        stack=stack,
        name="web",
        config=UnitConfig(primary, (log(), Sidekick("data", config()))),
        scale=scale,
        start_on_create=True,
        **more,
    )
    fleet.run()
    return latest(row)


def latest(row: Service) -> Service:
    found: Service = Service.all_objects.get(pk=row.pk)
    return found


def settle(fleet: SimulatedFleet, row: Service, times: int = 6) -> Service:
    """The service after a while in which nothing else happens."""
    for _ in range(times):
        fleet.pass_time(seconds=61)
    return latest(row)


def members(row: Service) -> list[Container]:
    found = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).select_related("host")
    return list(found.exclude(desired="removed").order_by("name", "pk"))


def assert_whole(fleet: SimulatedFleet, row: Service, count: int) -> dict[str, dict[str, Container]]:
    """That so many units run, each whole and on one host, made for each other, and that nothing else runs."""
    units: dict[str, dict[str, Container]] = {}
    for each in members(row):
        if each.desired == "running":
            assert each.launch_name not in units.setdefault(each.deployment_unit, {}), "two of one name run"
            units[each.deployment_unit][each.launch_name] = each
    assert [sorted(unit) for unit in units.values()] == [sorted(NAMES)] * count
    for unit in units.values():
        assert {each.display_state for each in unit.values()} == {"running"}
        (host,) = {each.host for each in unit.values()}
        engine = fleet.engine(1 if str(host) == "h1" else 2)
        shared = engine.inspect(unit["log"].external_id).raw["HostConfig"]["NetworkMode"]
        lent = engine.inspect(unit[PRIMARY].external_id).raw["HostConfig"]["VolumesFrom"]
        assert (shared, lent) == (f"container:{unit[PRIMARY].external_id}", [unit["data"].external_id])
    there = {each.id for number in (1, 2) for each in fleet.engine(number).containers() if each.state == "running"}
    assert there == {each.external_id for unit in units.values() for each in unit.values()}
    return units


def hosts_of(units: dict[str, dict[str, Container]]) -> list[str]:
    return sorted(str(unit[PRIMARY].host) for unit in units.values())


def images(row: Service) -> Counter[tuple[str, str]]:
    """How many run of each name and image."""
    running = (each for each in members(row) if each.desired == "running")
    return Counter((each.launch_name.replace(PRIMARY, "web"), each.image.partition(":")[2]) for each in running)
