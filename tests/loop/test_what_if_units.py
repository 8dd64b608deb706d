"""What is predicted of services with sidekicks is what happens: units are placed, lost and removed as a whole."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.errors import Invalid
from apps.hosts.services import host_update
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, service_update
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from apps.stacks.what_if import WhatIf, what_if_host_lost, what_if_labeled, what_if_scaled
from tests.loop.simulated_fleet import CONFIG, SimulatedFleet

MIB = 1024 * 1024


def config(**more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({**CONFIG, **more})


def units(fleet: SimulatedFleet, shop: Stack, scale: int, *, sidekick: dict[str, Any], **more: Any) -> Service:
    row = service_create(
        actor=fleet.actor,
        stack=shop,
        name="web",
        config=UnitConfig(config(**more.pop("config", {})), (Sidekick("log", config(**sidekick)),)),
        scale=scale,
        start_on_create=True,
        **more,
    )
    fleet.run()
    return Service.all_objects.get(pk=row.pk)


def placed(found: WhatIf) -> dict[str, str]:
    return {move.container: move.target for move in found.placed}


def actual(row: Service) -> dict[str, str]:
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).exclude(desired="removed")
    return {each.name: str(each.host or "") for each in rows.select_related("host")}


@pytest.mark.parametrize(
    "sidekick", [{}, {"ports": ["8080:80"]}, {"memoryReservation": 40 * MIB}, {"ports": ["8080:80", "9090:90"]}]
)
def test_a_scale_is_predicted_with_the_ports_and_reservations_of_whole_units(
    fleet: SimulatedFleet, shop: Stack, sidekick: dict[str, Any]
) -> None:
    for number in (1, 2):
        host_update(fleet.host(number), actor=fleet.actor, memory_limit=number * 100 * MIB)
    row = units(fleet, shop, 1, sidekick=sidekick, config={"memoryReservation": 40 * MIB})
    before = actual(row)
    predicted = placed(what_if_scaled(row, 4))
    assert len(predicted) == 6
    assert actual(row) == before
    service_update(row, actor=fleet.actor, scale=4)
    fleet.run()
    fleet.pass_time(seconds=10)
    assert {name: host for name, host in actual(row).items() if name not in before} == predicted


def test_a_smaller_scale_removes_whole_units(fleet: SimulatedFleet, shop: Stack) -> None:
    row = units(fleet, shop, 3, sidekick={})
    removed = {move.container for move in what_if_scaled(row, 1).removed}
    assert removed == {"shop_web_2", "shop_web_log_2", "shop_web_3", "shop_web_log_3"}


def test_a_lost_host_moves_whole_units_or_none(fleet: SimulatedFleet, shop: Stack) -> None:
    row = units(fleet, shop, 2, sidekick={"ports": ["8080:80"]}, lost_host=("reschedule", 30))
    number = 1 if fleet.host_by_slot(row)[1] == "h1" else 2
    found = what_if_host_lost(fleet.host(number))
    assert placed(found) == {"shop_web_1": "", "shop_web_log_1": ""}, "the sidekick's port is in use on the other host"
    service_update(row, actor=fleet.actor, lost_after=None)
    stays = what_if_host_lost(fleet.host(number)).stays
    assert {move.container for move in stays} == {"shop_web_1", "shop_web_log_1"}
    assert len({move.reasons for move in stays}) == 1


def test_a_label_lets_a_whole_unit_in(fleet: SimulatedFleet, shop: Stack) -> None:
    rule = {"labels": {"io.rancher.scheduler.affinity:host_label": "zone=a"}}
    row = units(fleet, shop, 1, sidekick=rule)
    assert set(actual(row).values()) == {""}
    predicted = placed(what_if_labeled(fleet.host(2), {"zone": "a"}))
    assert predicted == {"shop_web_1": "h2", "shop_web_log_1": "h2"}
    host_update(fleet.host(2), actor=fleet.actor, labels={"zone": "a"})
    fleet.pass_time(seconds=30)
    assert actual(row) == predicted


def test_a_scheduled_service_gets_no_sidekicks_by_an_upgrade(fleet: SimulatedFleet, shop: Stack) -> None:
    row = fleet.service(shop, scale=1, schedule={"cron": "0 3 * * *"})
    with pytest.raises(Invalid) as caught:
        service_upgrade(
            row,
            actor=fleet.actor,
            config=None,
            sidekicks=[Sidekick("log", config())],
            strategy=UpgradeStrategy(),
            is_whole=True,
        )
    assert (caught.value.field, "sidekicks" in caught.value.message) == ("schedule", True)
