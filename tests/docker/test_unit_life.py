"""Real engines: units of a primary and two sidekicks on three hosts, repaired, upgraded in part, moved and deleted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create
from apps.stacks.sidekicks import PRIMARY, Sidekick, UnitConfig
from apps.stacks.stack_upgrade import stack_act
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.fleet.fleet import Fleet

pytestmark = [pytest.mark.docker, pytest.mark.django_db]

OLD, NEW = "docker:bb:local", "docker:bb:two"
SLEEP = ["sleep", "600"]
VOLUME = "/var/lib/shared"
STRATEGY = UpgradeStrategy(batch_size=2, interval_ms=100)

Loop = Callable[[Callable[[], bool]], None]


def config(image: str = OLD, **more: Any) -> LaunchConfig:
    # The first process of a container ignores SIGTERM, and each stop would take its grace period.
    return LaunchConfig.from_wire({"imageUuid": image, "command": SLEEP, "stopSignal": "SIGKILL", **more})


def log(image: str = OLD) -> Sidekick:
    """It shares the primary's network."""
    return Sidekick("log", config(image, networkLaunchConfig="web"))


class Units:
    """The service's containers on the engines of the fleet, by their own words."""

    def __init__(self, fleet: Fleet, row: Service) -> None:
        self.fleet, self.row = fleet, row

    def listed(self) -> dict[str, dict[str, Any]]:
        """What the engines list of the stack, running or not: summaries by id, with the number of the host."""
        found = {}
        for number, host in self.fleet.hosts.items():
            for each in host.terminal.containers(all=True):
                if each["Names"][0].startswith("/units_"):
                    found[each["Id"]] = {**each, "host": number}
        return found

    def running(self) -> dict[str, dict[str, Any]]:
        """Those that run."""
        return {key: each for key, each in self.listed().items() if each["State"] == "running"}

    def named(self) -> dict[str, str]:
        """The ids of those that are to run, by the names that Corral gives them."""
        rows = Container.all_objects.filter(spread_key=str(self.row.uuid), removed=None, desired="running")
        return dict(rows.values_list("name", "external_id"))

    def images(self) -> list[tuple[str, str]]:
        """Name in the unit and image of all that run."""
        label = "io.rancher.service.launch.config"
        return sorted(
            (each["Labels"][label].replace(PRIMARY, "web"), each["Image"]) for each in self.running().values()
        )

    def are_whole(self, count: int) -> bool:
        """Whether so many units run as they should, and the rows say the same as the engines."""
        there = self.running()
        units: dict[str, dict[str, str]] = {}
        for key, each in there.items():
            labels = each["Labels"]
            members = units.setdefault(labels["io.rancher.service.deployment.unit"], {})
            members[labels["io.rancher.service.launch.config"]] = key
        if sorted(map(sorted, units.values())) != [sorted(["data", "log", PRIMARY])] * count:
            return False
        return set(self.named().values()) == set(there) and all(self._is_bound(each, there) for each in units.values())

    def _is_bound(self, unit: dict[str, str], there: dict[str, dict[str, Any]]) -> bool:
        """Whether its members are on one host, and lend each other what they should, seen from inside."""
        (number,) = {there[key]["host"] for key in unit.values()}
        terminal = self.fleet.hosts[number].terminal
        shared = terminal.inspect_container(unit["log"])["HostConfig"]["NetworkMode"]
        if shared != f"container:{unit[PRIMARY]}":
            return False
        self.run(number, unit["data"], f"echo {unit['data']} > {VOLUME}/mark")
        same_volume = self.run(number, unit[PRIMARY], f"cat {VOLUME}/mark").strip() == unit["data"]
        addresses = {self.run(number, unit[name], "ip addr show eth0") for name in ("log", PRIMARY)}
        return same_volume and len(addresses) == 1

    def run(self, number: int, key: str, command: str) -> str:
        """What a shell command says inside a container."""
        terminal = self.fleet.hosts[number].terminal
        made = terminal.exec_create(key, ["sh", "-c", command])
        return str(terminal.exec_start(made["Id"]).decode())

    def kill(self, name: str) -> None:
        """Somebody removes a container at the engine's own console."""
        key = self.named()[name]
        self.fleet.hosts[self.listed()[key]["host"]].terminal.remove_container(key, force=True)


@pytest.fixture
def hosts(fleet: Fleet, lab: Environment, run_loop: Callable[[], None]) -> Iterator[list[Host]]:
    """Three hosts, each with the same image under two names."""
    for each in fleet.hosts.values():
        each.terminal.tag("bb:local", "bb", "two")
        each.terminal.prune_volumes()  # what containers that were removed by hand left behind
    made = [host_create(actor=None, environment=lab, url=each.url, name=each.name) for each in fleet.hosts.values()]
    run_loop()
    yield made
    for engine in fleet.engines.values():
        engine.remove_containers()
        engine.host.terminal.remove_image("bb:two")


@pytest.fixture
def stack(lab: Environment, hosts: list[Host], actor_of: Any) -> Stack:
    del hosts
    return stack_create(actor=actor_of("bob"), environment=lab, name="units")


@pytest.fixture
def loop(run_loop: Callable[[], None]) -> Loop:
    """Runs the loop until something is so; everything that would be waited for is due at once."""

    def until(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not is_so():
            assert time.monotonic() < deadline
            for model in (Host, Service, Container, Stack):
                model.all_objects.filter(removed=None).update(next_attempt_at="2000-01-01T00:00:00Z")
            run_loop()

    return until


@pytest.fixture
def units(fleet: Fleet, stack: Stack, actor_of: Any, loop: Loop) -> Units:
    """Three running units, one on each host: the primary takes the volumes of `data`, `log` the primary's network."""
    row = service_create(
        actor=actor_of("bob"),
        stack=stack,
        name="web",
        config=UnitConfig(
            config(dataVolumesFromLaunchConfigs=["data"]), (log(), Sidekick("data", config(dataVolumes=[VOLUME])))
        ),
        scale=3,
        start_on_create=True,
    )
    made = Units(fleet, row)
    loop(lambda: state(made) == "active" and made.are_whole(3))
    return made


def state(units: Units) -> str:
    units.row.refresh_from_db()
    return str(units.row.display_state)


@pytest.mark.parametrize(
    ("killed", "replaced"), [("log", {"log"}), ("", {"", "log"}), ("data", {"data", "", "log"})]
)  # fmt: skip
def test_a_member_removed_by_hand_is_made_again_with_those_that_refer_to_it(
    units: Units, loop: Loop, killed: str, replaced: set[str]
) -> None:
    def name(member: str) -> str:
        return f"units_web_{member}_1" if member else "units_web_1"

    before = units.named()
    assert {each["host"] for each in units.running().values()} == {1, 2, 3}
    units.kill(name(killed))
    loop(lambda: units.named()[name(killed)] != before[name(killed)] and units.are_whole(3))
    changed = {each for each, key in units.named().items() if before[each] != key}
    assert changed == {name(each) for each in replaced}
    assert len(units.listed()) == 9


def test_a_unit_lives_from_an_upgrade_of_one_part_to_its_end(
    units: Units, stack: Stack, hosts: list[Host], actor_of: Any, loop: Loop
) -> None:
    before = units.named()
    service_upgrade(units.row, actor=actor_of("bob"), config=None, sidekicks=[log(NEW)], strategy=STRATEGY)
    loop(lambda: state(units) == "upgraded" and units.are_whole(3))
    assert units.images() == sorted([("data", "bb:local"), ("log", "bb:two"), ("web", "bb:local")] * 3)
    kept = {each: key for each, key in before.items() if "_log_" not in each}
    assert kept.items() <= units.named().items()
    service_upgrade_step(units.row, "rollback", actor=actor_of("bob"))
    loop(lambda: state(units) == "active" and units.are_whole(3))
    assert units.named() == before
    assert len(units.listed()) == 9
    hosts[0].refresh_from_db()
    host_act(hosts[0], "evacuate", actor=actor_of("alice"))
    loop(lambda: Host.all_objects.get(pk=hosts[0].pk).display_state == "inactive" and units.are_whole(3))
    assert {each["host"] for each in units.listed().values()} == {2, 3}
    stack.refresh_from_db()
    stack_act(stack, "remove", actor=actor_of("bob"))
    loop(lambda: not units.listed())
    assert not [each for host in units.fleet.hosts.values() for each in host.terminal.volumes()["Volumes"] or ()]


def test_a_stack_of_seventeen_containers_comes_up_on_three_hosts_and_leaves_nothing(
    fleet: Fleet, lab: Environment, hosts: list[Host], actor_of: Any, loop: Loop
) -> None:
    del hosts
    templates = Path(__file__).parents[1] / "stacks" / "templates"
    stack = stack_create(
        actor=actor_of("bob"),
        environment=lab,
        name="units",
        docker_compose=(templates / "big-data.yml").read_text(),
        rancher_compose=(templates / "big-data.rancher.yml").read_text(),
        variables={
            "image": "bb:local",
            "stay": "sh -c 'trap exit TERM; sleep 600 & wait'",
            "end": "true",
            "cluster": "c1",
        },
        start_on_create=True,
    )
    services = Service.all_objects.filter(stack=stack)
    loop(lambda: set(services.values_list("state", flat=True)) == {"active"})
    there = Units(fleet, services[0])
    assert sorted(each["State"] for each in there.listed().values()) == ["exited"] * 5 + ["running"] * 12
    hosts_of: dict[str, set[int]] = {}
    for each in there.listed().values():
        hosts_of.setdefault(each["Labels"]["io.rancher.stack_service.name"].partition("/")[2], set()).add(each["host"])
    assert hosts_of["name-node"] == hosts_of["resource-manager"] == hosts_of["history"]
    assert hosts_of["data-node"] == hosts_of["worker"]
    assert len(hosts_of["name-node"] | hosts_of["data-node"]) == 2, "one host for the leaders, another for the rest"
    stack.refresh_from_db()
    stack_act(stack, "remove", actor=actor_of("bob"))
    loop(lambda: not there.listed())
