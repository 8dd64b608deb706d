"""What is replaced behind a balancer stays until the balancer sends requests to what takes its place."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.models import Setting
from apps.hosts.services import host_drain
from apps.stacks.balancer.finding import FIND_SETTING, FOUND
from apps.stacks.balancer.launch import IMAGE_SETTING
from apps.stacks.models import Service, Stack
from apps.stacks.restart_services import RestartStrategy, service_restart
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.fake_haproxy import FakeHaproxy, balancer_of, set_health
from tests.loop.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.faces

OLD, NEW = "bb:local", "bb:new"
WAITS = "waits for balancer shop/lb to find shop_web_1"


@pytest.fixture
def web(fleet: SimulatedFleet, shop: Stack) -> Service:
    """Two containers, one on each host, whose upgrades wait for nothing but balancers."""
    Setting.objects.create(name=IMAGE_SETTING, value=OLD)
    for number in (1, 2):
        fleet.engine(number).local_images.add(NEW)
    return fleet.service(shop, scale=2)


@pytest.fixture
def balancer(fleet: SimulatedFleet, shop: Stack, web: Service, proxy: FakeHaproxy) -> Service:
    """One at port 80 that leads to web, and has found both."""
    del proxy
    row = balancer_of(fleet, shop, web)
    assert len(reload(row).status[FOUND]) == 2
    return row


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def images(fleet: SimulatedFleet, row: Service) -> list[str]:
    """What runs of the service on both engines."""
    boxes = [each for number in (1, 2) for each in fleet.engine(number).containers()]
    return sorted(each.image for each in boxes if each.state == "running" and f"_{row.name}_" in each.name)


def upgrade(fleet: SimulatedFleet, row: Service, *, start_first: bool) -> None:
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{NEW}"})
    strategy = UpgradeStrategy(interval_ms=100, start_first=start_first, min_ready=0)
    service_upgrade(reload(row), actor=fleet.actor, config=config, strategy=strategy)
    fleet.run()


def hide_new_ones(proxy: FakeHaproxy) -> None:
    """What is made from now on does not answer the balancer's checks yet."""
    last = max(Container.all_objects.values_list("pk", flat=True))
    proxy.unanswered = {f"shop_web_{slot}-{key}" for slot in (1, 2) for key in range(last + 1, last + 20)}


def wait(fleet: SimulatedFleet, seconds: int = 10) -> None:
    for _ in range(seconds // 5):
        fleet.pass_moment(seconds=5)


@pytest.mark.parametrize("start_first", [True, False])
def test_an_upgrade_goes_on_once_the_balancer_has_found_the_new_one(
    fleet: SimulatedFleet, web: Service, balancer: Service, proxy: FakeHaproxy, start_first: bool
) -> None:
    hide_new_ones(proxy)
    upgrade(fleet, web, start_first=start_first)
    wait(fleet, 20)
    assert images(fleet, web) == [OLD, OLD, NEW] if start_first else [OLD, NEW]
    row = reload(web)
    assert row.display_state == "upgrading"
    assert WAITS in row.message
    proxy.unanswered.clear()
    wait(fleet, 30)
    assert images(fleet, web) == [NEW, NEW]
    assert reload(web).display_state == "upgraded"
    assert len(reload(balancer).status[FOUND]) == 2


def test_it_is_waited_for_only_so_long(
    fleet: SimulatedFleet, web: Service, balancer: Service, proxy: FakeHaproxy
) -> None:
    Setting.objects.create(name=FIND_SETTING, value="30")
    hide_new_ones(proxy)
    upgrade(fleet, web, start_first=True)
    wait(fleet, 20)
    assert OLD in images(fleet, web)
    wait(fleet, 90)
    assert images(fleet, web) == [NEW, NEW]
    assert len(reload(balancer).status[FOUND]) == 0


@pytest.mark.parametrize("what", ["unhealthy", "silent", "nothing answers behind it", "stopped"])
def test_a_balancer_that_serves_nobody_is_not_waited_for(
    fleet: SimulatedFleet, web: Service, balancer: Service, proxy: FakeHaproxy, what: str
) -> None:
    if what == "unhealthy":
        set_health(balancer, "unhealthy")
    proxy.down = what == "silent"
    if what == "nothing answers behind it":
        proxy.unanswered = {"shop_web_"}
        Service.all_objects.filter(pk=balancer.pk).update(status={**reload(balancer).status, FOUND: []})
    if what == "stopped":
        Service.all_objects.filter(pk=balancer.pk).update(desired="inactive")
    fleet.run()
    hide_new_ones(proxy) if what not in {"silent", "nothing answers behind it"} else None
    upgrade(fleet, web, start_first=True)
    wait(fleet, 30)
    assert images(fleet, web) == [NEW, NEW]


def test_a_drained_host_keeps_a_container_until_the_balancer_has_found_its_successor(
    fleet: SimulatedFleet, web: Service, balancer: Service, proxy: FakeHaproxy, settings: Any
) -> None:
    del balancer
    settings.MIN_READY_SECONDS = 0
    hide_new_ones(proxy)
    host_drain(fleet.host(1), actor=fleet.actor)
    fleet.run()
    wait(fleet, 20)
    assert len(images(fleet, web)) == 3
    assert "waits for balancer shop/lb to find shop_web_" in reload(web).message
    assert "waits for balancer shop/lb" in fleet.host(1).message
    proxy.unanswered.clear()
    wait(fleet, 30)
    fleet.reconcile_hosts()
    assert [name for name in fleet.names(1) if "web" in name] == []
    assert len([name for name in fleet.names(2) if "web" in name]) == 2


def test_a_rolling_restart_waits_for_the_balancer_as_well(
    fleet: SimulatedFleet, web: Service, balancer: Service, proxy: FakeHaproxy
) -> None:
    del balancer
    proxy.unanswered = {"shop_web_1"}
    service_restart(reload(web), actor=fleet.actor, strategy=RestartStrategy(interval_ms=100, min_ready=0))
    fleet.run()
    wait(fleet, 20)
    row = reload(web)
    assert row.display_state == "restarting"
    assert WAITS in row.message
    proxy.unanswered.clear()
    wait(fleet, 30)
    assert reload(web).display_state == "active"
