"""Volumes that somebody made at the engine: one that is a folder of the host is refused as a bind mount is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.policy_services import policy_set
from apps.containers.services import container_act, container_create
from apps.containers.streams import shell_open
from apps.control.reconcile import reconcile_one
from apps.drivers.base import CreateRequest, EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host

Create = Callable[..., Container]

LEADING_TO_THE_HOST = {
    "a bind": {"type": "none", "o": "bind", "device": "/etc"},
    "a bind of an open folder and more": {"type": "overlay", "o": "lowerdir=/etc", "device": "/srv/open"},
    "out of an open folder": {"type": "none", "o": "bind", "device": "/srv/open/../../etc"},
    "a disk": {"type": "ext4", "device": "/dev/sda1"},
    "another machine's export": {"type": "nfs", "o": "addr=10.0.0.1,rw", "device": ":/home"},
}


@pytest.fixture
def create(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Create:
    """Bob creates a container, and the loop does what it can."""

    def make(name: str = "web", **fields: Any) -> Container:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})
        row = container_create(actor=actor_of("bob"), environment=lab, config=config, name=name)
        run_loop()
        row.refresh_from_db()
        return row

    return make


def make_volume(sim: SimulatedDriver, options: dict[str, str], driver: str = "local", name: str = "evil") -> None:
    sim._core.volumes.ensure(name, driver, {}, options)


@pytest.mark.parametrize("options", LEADING_TO_THE_HOST.values(), ids=LEADING_TO_THE_HOST)
def test_a_volume_that_leads_to_the_host_is_refused(
    options: dict[str, str], create: Create, sim: SimulatedDriver, lab: Environment, actor_of: Any
) -> None:
    policy_set(lab, {"bindFolders": ["/srv/open"]}, actor=actor_of("root"))
    make_volume(sim, options)
    row = create(dataVolumes=["evil:/host"])
    assert (row.display_state, sim.containers()) == ("error", [])
    assert "the volume evil is not an ordinary one" in row.message


def test_an_ordinary_volume_and_one_of_an_open_folder_are_mounted(
    create: Create, sim: SimulatedDriver, lab: Environment, actor_of: Any
) -> None:
    policy_set(lab, {"bindFolders": ["/srv/open"], "volumeDrivers": ["rex*"]}, actor=actor_of("root"))
    make_volume(sim, {}, name="plain")
    make_volume(sim, {"type": "none", "o": "bind,ro", "device": "/srv/open/a"}, name="open")
    make_volume(sim, {}, driver="rexray", name="plugin")
    row = create(dataVolumes=["plain:/a", "open:/b", "plugin:/c", "new:/d"])
    assert row.display_state == "running"


def test_a_volume_of_a_driver_that_is_not_on_the_list_is_refused(create: Create, sim: SimulatedDriver) -> None:
    make_volume(sim, {}, driver="rexray")
    assert "'rexray' is not on the list" in create(dataVolumes=["evil:/host"]).message


def test_the_volumes_of_another_container_are_no_way_around(
    create: Create, sim: SimulatedDriver, host: Host, run_loop: Callable[[], None]
) -> None:
    make_volume(sim, LEADING_TO_THE_HOST["a bind"])
    sim.create(CreateRequest("lender", {"Image": "bb:local", "HostConfig": {"Binds": ["evil:/host"]}}))
    reconcile_one("host", host.pk)
    run_loop()
    lender = Container.all_objects.get(name="lender")
    row = create(dataVolumesFrom=[f"1i{lender.pk}"])
    assert (row.display_state, len(sim.containers())) == ("error", 1)
    assert "/etc may not be mounted" in row.message


def test_a_volume_that_is_exchanged_between_check_and_creation_is_found(
    create: Create, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SimulatedDriver.create

    def exchange(driver: SimulatedDriver, request: CreateRequest) -> str:
        make_volume(driver, LEADING_TO_THE_HOST["a bind"])
        return real(driver, request)

    monkeypatch.setattr(SimulatedDriver, "create", exchange)
    row = create(dataVolumes=["evil:/host"])
    assert (row.display_state, sim.containers(), sim.calls["start"]) == ("error", [], 0)
    assert "Not started" in row.message


def test_a_container_made_at_the_engine_is_neither_started_nor_entered(
    sim: SimulatedDriver, host: Host, run_loop: Callable[[], None], actor_of: Any
) -> None:
    make_volume(sim, LEADING_TO_THE_HOST["a bind"])
    made = sim.create(CreateRequest("byhand", {"Image": "bb:local", "HostConfig": {"Binds": ["evil:/host"]}}))
    reconcile_one("host", host.pk)
    run_loop()
    row = Container.all_objects.get(name="byhand")
    with pytest.raises(EngineRefused, match="evil"):
        shell_open(row, ["sh"])
    container_act(row, "start", actor=actor_of("bob"))
    run_loop()
    row.refresh_from_db()
    assert (row.display_state, sim.inspect(made).state) == ("error", "created")
    assert "the volume evil" in row.message


def test_a_policy_that_opens_the_host_asks_the_engine_of_no_volume(
    create: Create, sim: SimulatedDriver, lab: Environment, actor_of: Any
) -> None:
    policy_set(lab, {"bindMounts": True, "volumeDrivers": ["*"]}, actor=actor_of("root"))
    make_volume(sim, LEADING_TO_THE_HOST["a bind"])
    assert create(dataVolumes=["evil:/host"]).display_state == "running"
    assert sim.calls["find_volume"] == 0
