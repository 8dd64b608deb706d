"""A balancer's container that is to stop says so at its ports first, where another one can do its work."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.models import Container
from apps.containers.services import container_act
from apps.core.models import Setting
from apps.hosts.services import host_drain
from apps.stacks.balancer.draining import ANNOUNCED, LEAVE_SETTING
from apps.stacks.balancer.launch import IMAGE_SETTING
from apps.stacks.models import Service, Stack
from tests.loop.fake_haproxy import FakeHaproxy, balancer_of, set_health
from tests.loop.simulated_fleet import SimulatedFleet

pytestmark = pytest.mark.faces

LEAVING = "monitor fail if TRUE"


@pytest.fixture
def web(fleet: SimulatedFleet, shop: Stack, proxy: FakeHaproxy) -> Service:
    del proxy
    Setting.objects.create(name=IMAGE_SETTING, value="bb:local")
    return fleet.service(shop, scale=1)


def reload(row: Any) -> Any:
    return type(row).all_objects.get(pk=row.pk)


def containers(row: Service) -> list[Container]:
    return list(Container.all_objects.filter(spread_key=str(row.uuid), removed=None).order_by("pk"))


def balancers_running(fleet: SimulatedFleet) -> int:
    return sum("_lb_" in name for name in fleet.running())


def test_it_serves_on_and_says_that_it_leaves(
    fleet: SimulatedFleet, shop: Stack, web: Service, proxy: FakeHaproxy
) -> None:
    Setting.objects.create(name=LEAVE_SETTING, value="30")
    row = balancer_of(fleet, shop, web, scale=2)
    leaver, other = containers(row)
    container_act(leaver, "stop", actor=fleet.actor)
    fleet.run()
    fleet.pass_moment(seconds=5)
    assert balancers_running(fleet) == 2
    assert LEAVING in proxy.loaded[-1]
    assert "bind :80" in proxy.loaded[-1]
    assert "for clients to use the other containers of lb." in reload(leaver).message
    assert set(reload(row).status[ANNOUNCED]) == {str(leaver.pk)}
    count = len(proxy.loaded)
    fleet.pass_moment(seconds=10)
    assert len(proxy.loaded) == count, "what loads while it is being stopped would listen again"
    fleet.pass_moment(seconds=30)
    assert reload(leaver).display_state != "running" or reload(leaver).start_count > leaver.start_count
    assert reload(other).display_state == "running"


@pytest.mark.parametrize("why", ["it is the only one", "the other is unhealthy", "no notice is wanted"])
def test_it_just_stops(fleet: SimulatedFleet, shop: Stack, web: Service, proxy: FakeHaproxy, why: str) -> None:
    row = balancer_of(fleet, shop, web, scale=1 if why == "it is the only one" else 2)
    if why == "the other is unhealthy":
        set_health(row, "unhealthy")
        fleet.run()
    if why == "no notice is wanted":
        Setting.objects.create(name=LEAVE_SETTING, value="0")
    leaver = containers(row)[0]
    stops = sum(fleet.engine(number).calls["stop"] for number in (1, 2))
    container_act(leaver, "stop", actor=fleet.actor)
    fleet.run()
    assert sum(fleet.engine(number).calls["stop"] for number in (1, 2)) == stops + 1
    assert why == "no notice is wanted" or not any(LEAVING in each for each in proxy.loaded)


def test_on_a_drained_host_it_leaves_once_its_successor_serves(
    fleet: SimulatedFleet, shop: Stack, web: Service, proxy: FakeHaproxy
) -> None:
    row = balancer_of(fleet, shop, web)
    before = containers(row)[0]
    number = 1 if str(before.host) == "h1" else 2
    host_drain(fleet.host(number), actor=fleet.actor)
    fleet.run()
    fleet.pass_moment(seconds=5)
    assert balancers_running(fleet) == 2, "the new one is not known to be healthy"
    set_health(row, "healthy")
    fleet.run()
    assert balancers_running(fleet) == 2
    assert LEAVING in "".join(proxy.loaded)
    fleet.pass_moment(seconds=5)
    fleet.pass_moment(seconds=5)
    assert balancers_running(fleet) == 1
    assert reload(before).removed is not None
