"""Rules of affinity and reservations, obeyed by the loop on simulated hosts."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.placement import assign_host
from apps.containers.services import container_create
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.hosts.affinity import PREFIX
from apps.hosts.models import Host
from apps.hosts.services import host_drain, host_update
from apps.stacks.compose import parse
from apps.stacks.compose_import import build_services
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.simulated_fleet import CONFIG, SimulatedFleet, container_of

MIB = 1024 * 1024
APART = {f"{PREFIX}container_label_ne": "io.rancher.stack_service.name=$${stack_name}/$${service_name}"}
TOGETHER = {"role": "db", f"{PREFIX}container_label": "role=db"}


def config(**fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({**CONFIG, **fields})


def test_never_two_copies_on_one_host(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=3, config={"labels": APART})
    assert sorted(host for host in fleet.host_by_slot(service).values() if host != "None") == ["h1", "h2"]
    waiting = container_of(service, 3)
    assert "a container with the label io.rancher.stack_service.name=shop/web is there (h1, h2)" in waiting.message
    assert [line["verdict"] for line in waiting.placement] == ["refused"]


def test_what_an_upgrade_keeps_does_not_hold_the_new_ones_off(fleet: SimulatedFleet, shop: Stack) -> None:
    """With as many hosts as copies, the old ones that are kept stopped would leave no host."""
    service = fleet.service(shop, scale=2, config={"labels": APART})
    service_upgrade(
        service,
        actor=fleet.actor,
        config=config(labels=APART, environment={"release": "2"}),
        strategy=UpgradeStrategy(batch_size=2, interval_ms=100),
    )
    for _ in range(4):
        fleet.pass_time(seconds=5)
    service.refresh_from_db()
    assert service.display_state == "upgraded"
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h2"]


def test_company_is_kept_and_moves_together(fleet: SimulatedFleet, shop: Stack) -> None:
    service = fleet.service(shop, scale=3, config={"labels": TOGETHER})
    (home,) = set(fleet.host_by_slot(service).values())
    other = "h2" if home == "h1" else "h1"
    host_drain(Host.all_objects.get(name=home), actor=fleet.actor)
    for _ in range(5):
        fleet.reconcile_hosts()
    assert set(fleet.host_by_slot(service).values()) == {other}


def test_a_standalone_container_follows_another_by_name(fleet: SimulatedFleet, lab: Environment) -> None:
    first = container_create(actor=fleet.actor, environment=lab, config=config(), name="first")
    fleet.run()
    rules = {f"{PREFIX}container": "first"}
    second = container_create(actor=fleet.actor, environment=lab, config=config(labels=rules), name="second")
    fleet.run()
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.host_id == second.host_id
    assert second.placement[0]["reasons"] == ["it is the only host that fits"]


def test_a_placement_takes_as_many_queries_among_many_as_among_few(fleet: SimulatedFleet, shop: Stack) -> None:
    def queries() -> int:
        row = Container(environment=shop.environment, name="new", spec=config(labels=APART).to_json())
        row.save()
        with CaptureQueriesContext(connection) as found:
            assign_host(row)
        Container.all_objects.filter(pk=row.pk).update(removed="2020-01-01T00:00:00Z", state="removed")
        return len(found)

    fleet.service(shop, scale=2, config={"labels": {"a": "b"}})
    few = queries()
    fleet.service(shop, "more", scale=12, config={"labels": {"a": "b"}})
    assert queries() <= few + 1  # the labels of the new ones, once


def limited(fleet: SimulatedFleet, number: int, **limits: int) -> None:
    host_update(fleet.host(number), actor=fleet.actor, **limits)
    fleet.run()


def test_no_more_is_reserved_than_a_host_has(fleet: SimulatedFleet, shop: Stack) -> None:
    limited(fleet, 1, memory_limit=256 * MIB)
    limited(fleet, 2, memory_limit=100 * MIB)
    service = fleet.service(shop, scale=4, config={"memoryReservation": 100 * MIB})
    placed = list(fleet.host_by_slot(service).values())
    assert (placed.count("h1"), placed.count("h2"), placed.count("None")) == (2, 1, 1)
    waiting = next(each for each in Container.all_objects.all() if each.host_id is None)
    assert "it has less than 100.0 MB of memory that is not reserved (h1, h2)" in waiting.message
    limited(fleet, 2, memory_limit=300 * MIB)
    fleet.pass_time(seconds=30)
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h1", "h2", "h2"]


def test_processors_are_reserved_alike(fleet: SimulatedFleet, shop: Stack) -> None:
    limited(fleet, 1, milli_cpu_limit=500)
    limited(fleet, 2, milli_cpu_limit=1000)
    service = fleet.service(shop, scale=3, config={"milliCpuReservation": 500})
    assert sorted(fleet.host_by_slot(service).values()) == ["h1", "h2", "h2"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("memoryReservation", 300 * MIB, "300.0 MB of memory are reserved, and the biggest host here has 256.0 MB"),
        ("milliCpuReservation", 1500, "1.5 CPUs are reserved, and the biggest host here has 1 CPUs"),
    ],
)
def test_what_no_host_could_hold_is_refused_at_once(
    fleet: SimulatedFleet, shop: Stack, lab: Environment, field: str, value: int, words: str
) -> None:
    for number in (1, 2):
        limited(fleet, number, memory_limit=256 * MIB, milli_cpu_limit=1000)
    service = fleet.service(shop, scale=0)
    before = Container.all_objects.count()
    for at, create in (
        ("", lambda: container_create(actor=fleet.actor, environment=lab, config=config(**{field: value}))),
        (
            "launchConfig.",
            lambda: service_create(actor=fleet.actor, stack=shop, name="big", config=config(**{field: value})),
        ),
        (
            "launchConfig.",
            lambda: service_upgrade(
                service, actor=fleet.actor, config=config(**{field: value}), strategy=UpgradeStrategy()
            ),
        ),
    ):
        with pytest.raises(Invalid) as caught:
            create()
        assert (caught.value.field, caught.value.code) == (at + field, "MaxLimitExceeded")
        assert words in caught.value.message
        assert "add a bigger host" in caught.value.message
    assert Container.all_objects.count() == before


@pytest.mark.parametrize(
    ("own", "beside", "field", "words"),
    [
        (
            {"memoryReservation": 100 * MIB},
            {"memoryReservation": 200 * MIB},
            "secondaryLaunchConfigs.log.memoryReservation",
            "reserve 300.0 MB of memory together, and the biggest host here has 256.0 MB of memory",
        ),
        (
            {"milliCpuReservation": 800},
            {"milliCpuReservation": 700},
            "launchConfig.milliCpuReservation",
            "reserve 1.5 CPUs together, and the biggest host here has 1 CPUs",
        ),
        (
            {"memoryReservation": 200 * MIB},
            {"milliCpuReservation": 900},
            "launchConfig.memoryReservation",
            "200.0 MB of memory are reserved, and 0.9 CPUs besides, and no host here has both",
        ),
    ],
)
def test_a_unit_that_no_host_could_hold_as_a_whole_is_refused_at_once(
    fleet: SimulatedFleet, shop: Stack, own: Any, beside: Any, field: str, words: str
) -> None:
    limited(fleet, 1, memory_limit=256 * MIB, milli_cpu_limit=500)
    limited(fleet, 2, memory_limit=128 * MIB, milli_cpu_limit=1000)
    service = fleet.service(shop, scale=0)
    before = Service.all_objects.count()
    unit = UnitConfig(config(**own), (Sidekick("log", config(**beside)),))
    file = f"services:\n  big:\n    image: {CONFIG['imageUuid'].removeprefix('docker:')}\n    {in_compose(own)}\n"
    file += f"    labels: {{io.rancher.sidekicks: log}}\n  log:\n    image: a\n    {in_compose(beside)}\n"
    for create in (
        lambda: service_create(actor=fleet.actor, stack=shop, name="big", config=unit),
        lambda: service_upgrade(
            service,
            actor=fleet.actor,
            config=unit.primary,
            sidekicks=unit.sidekicks,
            is_whole=True,
            strategy=UpgradeStrategy(),
        ),
        lambda: build_services(shop, parse(file, stack_name="shop"), start=True),
    ):
        with pytest.raises(Invalid) as caught:
            create()
        assert (caught.value.field, caught.value.code) == (field, "MaxLimitExceeded")
        assert words in caught.value.message
        assert "reserve less, or add a bigger host" in caught.value.message
    assert Service.all_objects.count() == before
    limited(fleet, 2, memory_limit=512 * MIB, milli_cpu_limit=2000)
    service_create(actor=fleet.actor, stack=shop, name="big", config=unit)


def in_compose(wire: dict[str, int]) -> str:
    """The key of a compose service for a reservation."""
    ((name, value),) = wire.items()
    return f"{'mem_reservation' if name == 'memoryReservation' else 'milli_cpu_reservation'}: {value}"


@pytest.mark.parametrize(
    ("limits", "field", "code"),
    [
        ({"memory_limit": 5}, "memory", "MinLimitExceeded"),
        ({"memory_limit": 2**60}, "memory", "MaxLimitExceeded"),
        ({"memory_limit": True}, "memory", "InvalidFormat"),
        ({"milli_cpu_limit": -1}, "milliCpu", "MinLimitExceeded"),
        ({"milli_cpu_limit": "2"}, "milliCpu", "InvalidFormat"),
    ],
)
def test_a_limit_that_is_none_is_refused(fleet: SimulatedFleet, limits: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        host_update(fleet.host(1), actor=fleet.actor, **limits)
    assert (caught.value.field, caught.value.code) == (field, code)


@pytest.mark.parametrize("none", [None, 0])
def test_without_a_limit_the_engine_s_own_counts(fleet: SimulatedFleet, none: int | None) -> None:
    limited(fleet, 1, memory_limit=256 * MIB, milli_cpu_limit=100)
    host_update(fleet.host(1), actor=fleet.actor, memory_limit=none, milli_cpu_limit=none)
    host = fleet.host(1)
    assert (host.memory_limit, host.milli_cpu_limit) == (None, None)
    assert host.reservable_memory == host.info["memoryInfo"]["memTotal"] * MIB
    assert host.reservable_milli_cpu == host.info["cpuInfo"]["count"] * 1000
