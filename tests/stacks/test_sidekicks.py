"""Services with sidekicks on an engine in memory: units on one host, lost members, upgrades of a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.core.errors import Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceRevision, Slot
from apps.stacks.reconcile import reconcile_service
from apps.stacks.restart_services import RestartStrategy, service_restart
from apps.stacks.selectors import service_views
from apps.stacks.service_returns import service_return_to
from apps.stacks.services import service_act, service_create, service_update, stack_create
from apps.stacks.sidekicks import PRIMARY, Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

OLD, NEW = "docker:bb:local", "docker:bb:new"
FAST = UpgradeStrategy(batch_size=3, interval_ms=100)
Idle = Callable[[Service], Service]

pytestmark = pytest.mark.faces


def config(image: str = OLD, **more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": image, **more})


LOG = Sidekick("log", config(networkMode="container", networkLaunchConfig="web"))
DATA = Sidekick("data", config())


@pytest.fixture
def idle(run_loop: Callable[[], None]) -> Idle:
    """The service once the loop has nothing to do; the intervals between batches, and retries, are due at once."""

    def wait(row: Service) -> Service:
        for _ in range(40):
            run_loop()
            row.refresh_from_db()
            waiting = Container.all_objects.filter(
                removed=None, spread_key=str(row.uuid), next_attempt_at__isnull=False
            )
            if not row.status.get("next_batch_at") and not waiting.exists():
                break
            waiting.update(next_attempt_at=row.created)
            Service.all_objects.filter(pk=row.pk).update(
                status={**row.status, "next_batch_at": "2000-01-01T00:00:00+00:00"}, next_attempt_at=row.created
            )
        return row

    return wait


@pytest.fixture
def web(lab: Environment, host: Host, actor_of: Any, idle: Idle, sim: SimulatedDriver) -> Service:
    """Two running units: the primary takes the volumes of `data`, and `log` shares the primary's network."""
    sim.local_images.add("bb:new")
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    row = service_create(
        actor=actor_of("bob"),
        stack=stack,
        name="web",
        config=UnitConfig(config(dataVolumesFromLaunchConfigs=["data"]), (LOG, DATA)),
        scale=2,
        start_on_create=True,
    )
    return idle(row)


def members(row: Service) -> list[Container]:
    return list(Container.all_objects.filter(spread_key=str(row.uuid), removed=None).order_by("name", "pk"))


def images(row: Service) -> list[tuple[str, str, str]]:
    return sorted((each.launch_name.replace(PRIMARY, "web"), each.image, each.display_state) for each in members(row))


def running(**of: str) -> list[tuple[str, str, str]]:
    return sorted((name, of.get(name, "bb:local"), "running") for name in ("web", "log", "data"))


def doubled(each: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return sorted(each * 2)


def engine_ids(row: Service) -> dict[str, str]:
    return {each.name: each.external_id for each in members(row) if each.display_state == "running"}


def assert_made_for_each_other(row: Service, sim: SimulatedDriver) -> None:
    """On the engine every container uses what its own unit lends it."""
    units: dict[str, dict[str, Container]] = {}
    for each in members(row):
        if each.desired == "running":
            assert each.launch_name not in units.setdefault(each.deployment_unit, {}), "two of one name run"
            units[each.deployment_unit][each.launch_name] = each
    assert len(units) == row.scale
    for unit in units.values():
        assert {each.host_id for each in unit.values()} == {unit[PRIMARY].host_id}
        raw = sim.inspect(unit["log"].external_id).raw
        assert raw["HostConfig"]["NetworkMode"] == f"container:{unit[PRIMARY].external_id}"
        assert sim.inspect(unit[PRIMARY].external_id).raw["HostConfig"]["VolumesFrom"] == [unit["data"].external_id]


def test_a_unit_is_made_on_one_host_with_names_and_labels(web: Service, sim: SimulatedDriver) -> None:
    assert web.display_state == "active"
    assert web.status["running"] == 2
    assert [each.name for each in members(web)] == [
        "shop_web_1", "shop_web_2", "shop_web_data_1", "shop_web_data_2", "shop_web_log_1", "shop_web_log_2"
    ]  # fmt: skip
    for each in members(web):
        labels = sim.inspect(each.external_id).labels
        assert labels["io.rancher.service.launch.config"] == each.launch_name
        assert labels["io.rancher.service.deployment.unit"] == each.deployment_unit != str(web.uuid)
    assert_made_for_each_other(web, sim)
    assert Container.all_objects.count() == 6, "none was made in vain"
    (view,) = service_views([web])
    assert (len(view.containers), len(view.sidekicks)) == (2, 4)


def test_stop_start_scale_and_removal_act_on_whole_units(
    web: Service, actor_of: Any, idle: Idle, sim: SimulatedDriver
) -> None:
    bob = actor_of("bob")
    assert idle(service_act(web, "deactivate", actor=bob)).display_state == "inactive"
    assert {each.display_state for each in members(web)} == {"stopped"}
    assert idle(service_act(web, "activate", actor=bob)).display_state == "active"
    assert images(web) == doubled(running())
    idle(service_update(web, actor=bob, scale=3))
    assert len(members(web)) == 9
    assert_made_for_each_other(web, sim)
    idle(service_update(web, actor=bob, scale=1))
    assert [each.name for each in members(web)] == ["shop_web_1", "shop_web_data_1", "shop_web_log_1"]
    assert idle(service_act(web, "remove", actor=bob)).display_state == "removed"
    assert not members(web)
    assert not sim.containers()


@pytest.mark.parametrize(
    ("lost", "replaced"), [("log", {"log"}), ("web", {"web", "log"}), ("data", {"data", "web", "log"})]
)
@pytest.mark.parametrize("how", ["on the engine", "by a person"])
def test_a_lost_member_is_made_again_with_those_that_refer_to_it(
    web: Service, actor_of: Any, idle: Idle, sim: SimulatedDriver, lost: str, replaced: set[str], how: str
) -> None:
    before = engine_ids(web)
    name = {"web": "shop_web_1"}.get(lost, f"shop_web_{lost}_1")
    row = Container.all_objects.get(name=name)
    if how == "by a person":
        container_act(row, "remove", actor=actor_of("bob"))
    else:
        sim.remove(row.external_id)
        Container.all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
    idle(web)
    assert images(web) == doubled(running())
    changed = {name for name, key in engine_ids(web).items() if before[name] != key}
    assert changed == {{"web": "shop_web_1"}.get(each, f"shop_web_{each}_1") for each in replaced}
    assert_made_for_each_other(web, sim)


def test_an_upgrade_of_a_sidekick_alone_replaces_it_and_is_rolled_back(
    web: Service, actor_of: Any, idle: Idle, sim: SimulatedDriver
) -> None:
    primaries = set(Slot.objects.values_list("container", flat=True))
    changed = Sidekick("log", config(NEW, networkMode="container", networkLaunchConfig="web"))
    service_upgrade(web, actor=actor_of("bob"), config=None, sidekicks=[changed], strategy=FAST)
    assert idle(web).display_state == "upgraded"
    assert images(web) == doubled([*running(log="bb:new"), ("log", "bb:local", "stopped")])
    assert set(Slot.objects.values_list("container", flat=True)) == primaries
    assert_made_for_each_other(web, sim)
    assert idle(service_upgrade_step(web, "rollback", actor=actor_of("bob"))).display_state == "active"
    assert images(web) == doubled(running())
    assert [each.config.image for each in web.sidekicks] == ["bb:local", "bb:local"]
    assert_made_for_each_other(web, sim)


@pytest.mark.parametrize("end", ["finishupgrade", "rollback"])
@pytest.mark.parametrize("names", [("data",), ("web",), ("web", "log"), ("web", "log", "data")])
def test_an_upgrade_of_a_part_ends_with_whole_units(
    web: Service, actor_of: Any, idle: Idle, sim: SimulatedDriver, names: tuple[str, ...], end: str
) -> None:
    new = {"log": Sidekick("log", config(NEW, networkLaunchConfig="web")), "data": Sidekick("data", config(NEW))}
    service_upgrade(
        web,
        actor=actor_of("bob"),
        config=config(NEW, dataVolumesFromLaunchConfigs=["data"]) if "web" in names else None,
        sidekicks=[new[name] for name in names if name in new],
        strategy=FAST,
    )
    assert idle(web).display_state == "upgraded"
    upgraded = dict.fromkeys(names, "bb:new")
    assert [each for each in images(web) if each[2] == "running"] == doubled(running(**upgraded))
    assert_made_for_each_other(web, sim)
    assert idle(service_upgrade_step(web, end, actor=actor_of("bob"))).display_state == "active"
    assert images(web) == doubled(running(**(upgraded if end == "finishupgrade" else {})))
    assert_made_for_each_other(web, sim)


@pytest.mark.parametrize(
    ("names", "replaced"), [(("log",), {"log"}), (("web",), {"web", "log"}), (("web", "log", "data"), None)]
)
def test_back_to_a_revision_replaces_what_was_another_configuration(
    web: Service, actor_of: Any, idle: Idle, sim: SimulatedDriver, names: tuple[str, ...], replaced: set[str] | None
) -> None:
    bob = actor_of("bob")
    new = {"log": Sidekick("log", config(NEW, networkLaunchConfig="web")), "data": Sidekick("data", config(NEW))}
    primary = config(NEW, dataVolumesFromLaunchConfigs=["data"]) if "web" in names else None
    sidekicks = [new[name] for name in names if name in new]
    service_upgrade(web, actor=bob, config=primary, sidekicks=sidekicks, strategy=FAST)
    idle(web)
    idle(service_upgrade_step(web, "finishupgrade", actor=bob))
    before = engine_ids(web)
    service_return_to(web, 1, actor=bob, strategy=FAST)
    assert (idle(web).display_state, web.revision) == ("upgraded", 3)
    idle(service_upgrade_step(web, "finishupgrade", actor=bob))
    assert images(web) == doubled(running())
    assert_made_for_each_other(web, sim)
    after = engine_ids(web)
    changed = {name for name in after if before[name] != after[name]}
    assert changed == {
        "shop_web" + {"web": ""}.get(each, f"_{each}") + f"_{number}"
        for each in replaced or {"web", "log", "data"}
        for number in (1, 2)
    }
    last = ServiceRevision.objects.get(service=web, number=3)
    assert (last.secondary, last.primary_version) == (web.secondary, web.primary_version)
    with pytest.raises(Invalid) as caught:
        service_return_to(web, 1, actor=bob, strategy=FAST)
    assert (caught.value.field, caught.value.code) == ("revision", "InvalidOption")


def test_a_return_is_rolled_back_with_its_sidekicks(web: Service, actor_of: Any, idle: Idle) -> None:
    bob, changed = actor_of("bob"), Sidekick("log", config(NEW, networkLaunchConfig="web"))
    idle(service_upgrade(web, actor=bob, config=None, sidekicks=[changed], strategy=FAST))
    idle(service_upgrade_step(web, "finishupgrade", actor=bob))
    idle(service_return_to(web, 1, actor=bob, strategy=FAST))
    assert idle(service_upgrade_step(web, "rollback", actor=bob)).display_state == "active"
    assert images(web) == doubled(running(log="bb:new"))
    assert web.revision == 4


def test_a_restart_takes_units_as_a_whole_and_each_container_once(
    web: Service, actor_of: Any, idle: Idle, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    restart, start = sim.restart, sim.start

    def count(act: Callable[..., Any]) -> Callable[..., Any]:
        def counted(key: str, *more: Any, **options: Any) -> Any:
            started.append(key)
            return act(key, *more, **options)

        return counted

    monkeypatch.setattr(sim, "restart", count(restart))
    monkeypatch.setattr(sim, "start", count(start))
    service_restart(web, actor=actor_of("bob"), strategy=RestartStrategy(1, 100))
    assert web.restart["units"] == 2
    before = engine_ids(web)
    reconcile_service(web)
    assert {each.deployment_unit for each in members(web) if each.restart_mark} == {
        Container.all_objects.get(name="shop_web_1").deployment_unit
    }
    assert sorted(each.restart_mark for each in members(web)) == [0, 0, 0, 1, 1, 1]
    reconcile_service(Service.all_objects.get(pk=web.pk))
    assert sorted(each.restart_mark for each in members(web)) == [0, 0, 0, 1, 1, 1], "the unit is not up yet"
    assert idle(web).display_state == "active"
    assert {each.restart_mark for each in members(web)} == {1}
    assert sorted(started) == sorted(before.values()), "each once"
    assert engine_ids(web) == before
    assert_made_for_each_other(web, sim)


def test_what_was_restarted_by_hand_meanwhile_is_not_again_and_progress_counts_units(
    web: Service, actor_of: Any, idle: Idle, run_loop: Callable[[], None]
) -> None:
    service_restart(web, actor=actor_of("bob"), strategy=RestartStrategy(1, 60_000))
    run_loop()
    web.refresh_from_db()
    assert web.message == "1 of 2 restarted"
    container_act(Container.all_objects.get(name="shop_web_log_2"), "restart", actor=actor_of("bob"))
    assert idle(web).display_state == "active"
    assert {each.restart_mark for each in members(web)} == {1}


def test_a_sidekick_that_is_not_ready_holds_the_restart_up(
    web: Service, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    Container.all_objects.filter(name="shop_web_log_1").update(health="unhealthy")
    service_restart(web, actor=actor_of("bob"), strategy=RestartStrategy(1, 100))
    Container.all_objects.filter(name__in=["shop_web_1", "shop_web_log_1", "shop_web_data_1"]).update(restart_mark=1)
    reconcile_service(web)
    assert {each.restart_mark for each in members(web) if each.name.endswith("_2")} == {0}


def test_starting_first_is_refused(web: Service, actor_of: Any) -> None:
    strategy = UpgradeStrategy(batch_size=1, interval_ms=100, start_first=True)
    with pytest.raises(Invalid) as caught:
        service_upgrade(web, actor=actor_of("bob"), config=config(NEW), strategy=strategy)
    assert (caught.value.field, caught.value.code) == ("startFirst", "InvalidOption")


def test_a_sidekick_that_the_service_does_not_have_cannot_be_upgraded(web: Service, actor_of: Any) -> None:
    with pytest.raises(Invalid) as caught:
        service_upgrade(web, actor=actor_of("bob"), config=None, sidekicks=[Sidekick("proxy", config())], strategy=FAST)
    assert (caught.value.field, caught.value.code) == ("secondaryLaunchConfigs", "InvalidOption")


def test_a_renamed_service_keeps_its_units_together(web: Service, actor_of: Any, idle: Idle) -> None:
    before = engine_ids(web)
    idle(service_update(web, actor=actor_of("bob"), name="front"))
    assert engine_ids(web) == before
    assert web.sidekicks[0].config.network_launch_config == PRIMARY


NAMES = {
    "a service's name": ([Sidekick("web", config())], "secondaryLaunchConfigs.web.name", "NotUnique"),
    "one twice, in another case": (
        [Sidekick("log", config()), Sidekick("LOG", config())], "secondaryLaunchConfigs.LOG.name", "NotUnique"
    ),
    "a sidekick of another service": ([Sidekick("Data", config())], "secondaryLaunchConfigs.Data.name", "NotUnique"),
    "no DNS label": ([Sidekick("a_b", config())], "secondaryLaunchConfigs.a_b.name", "InvalidCharacters"),
    "too long": (
        [Sidekick("a" * 64, config())], f"secondaryLaunchConfigs.{'a' * 63}.name", "MaxLengthExceeded"
    ),
    "unknown network": (
        [Sidekick("x", config(networkLaunchConfig="nobody"))], "LaunchConfigName", "InvalidReference"
    ),
    "unknown volumes": (
        [Sidekick("x", config(dataVolumesFromLaunchConfigs=["log"]))], "LaunchConfigName", "InvalidReference"
    ),
    "a circle": (
        [Sidekick("x", config(networkLaunchConfig="y")), Sidekick("y", config(dataVolumesFromLaunchConfigs=["x"]))],
        "CircularReference", "InvalidReference",
    ),
    "itself": ([Sidekick("x", config(networkLaunchConfig="x"))], "CircularReference", "InvalidReference"),
    "two networks": (
        [Sidekick("x", config(networkMode="host", networkLaunchConfig="other"))],
        "secondaryLaunchConfigs.x.networkMode", "InvalidOption",
    ),
    "host access": (
        [Sidekick("x", config(privileged=True))], "secondaryLaunchConfigs.x.privileged", "PolicyViolation"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", NAMES)
def test_a_unit_that_cannot_be_is_refused(web: Service, actor_of: Any, what: str) -> None:
    sidekicks, field, code = NAMES[what]
    unit = UnitConfig(config(), tuple(sidekicks))
    with pytest.raises(Invalid) as caught:
        service_create(actor=actor_of("bob"), stack=web.stack, name="other", config=unit)
    assert (caught.value.field, caught.value.code) == (field, code)
    assert not Service.all_objects.filter(name="other").exists()


def test_a_service_cannot_have_a_sidekick_s_name(web: Service, actor_of: Any) -> None:
    with pytest.raises(Invalid) as made:
        service_create(actor=actor_of("bob"), stack=web.stack, name="LOG", config=config())
    with pytest.raises(Invalid) as renamed:
        service_update(web, actor=actor_of("bob"), name="log")
    assert {(each.value.field, each.value.code) for each in (made, renamed)} == {("name", "NotUnique")}
