"""Upgrading a service on an engine in memory: in batches, finished, rolled back, canceled; and who may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.containers.services import container_act
from apps.control.models import Operation
from apps.core.errors import Forbidden, Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, ServiceRevision, Slot
from apps.stacks.revisions import revisions_of
from apps.stacks.rollout import revision_of
from apps.stacks.service_options import ServiceOptions
from apps.stacks.services import service_act, service_create, stack_create
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

OLD, NEW = "docker:bb:local", "docker:bb:new"
FAST = UpgradeStrategy(batch_size=2, interval_ms=100)

pytestmark = pytest.mark.faces


def config(image: str = NEW, **more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": image, **more})


Idle = Callable[[Service], Service]
Loop = Callable[[], None]


@pytest.fixture
def idle(run_loop: Loop) -> Idle:
    """The service once the loop has nothing to do; the intervals between batches are over at once."""

    def wait(row: Service) -> Service:
        for _ in range(40):
            run_loop()
            row.refresh_from_db()
            if not row.status.get("next_batch_at"):
                break
            Service.all_objects.filter(pk=row.pk).update(
                status={**row.status, "next_batch_at": "2000-01-01T00:00:00+00:00"}, next_attempt_at=row.created
            )
        return row

    return wait


@pytest.fixture
def web(lab: Environment, host: Host, actor_of: Any, idle: Idle, sim: SimulatedDriver) -> Service:
    """Three running containers of the old image."""
    sim.local_images.add("bb:new")
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    row = service_create(
        actor=actor_of("bob"), stack=stack, name="web", config=config(OLD), scale=3, start_on_create=True
    )
    return idle(row)


def images(row: Service) -> list[tuple[str, str]]:
    """Image and state of the containers that are there, old and new."""
    rows = Container.all_objects.filter(spread_key=str(row.uuid), removed=None)
    return sorted((each.image, each.display_state) for each in rows)


def test_an_upgrade_replaces_all_and_keeps_the_old_ones_until_it_is_finished(
    web: Service, actor_of: Any, idle: Idle
) -> None:
    service_upgrade(web, actor=actor_of("bob"), config=config(), strategy=FAST)
    assert web.display_state == "upgrading"
    assert idle(web).display_state == "upgraded"
    assert images(web) == [("bb:local", "stopped")] * 3 + [("bb:new", "running")] * 3
    service_upgrade_step(web, "finishupgrade", actor=actor_of("bob"))
    assert idle(web).display_state == "active"
    assert images(web) == [("bb:new", "running")] * 3
    assert not Operation.all_objects.exclude(state="succeeded").exists()


def test_a_rollback_lets_the_old_ones_run_again(web: Service, actor_of: Any, idle: Idle) -> None:
    before = set(Container.all_objects.values_list("pk", flat=True))
    idle(service_upgrade(web, actor=actor_of("bob"), config=config(), strategy=FAST))
    service_upgrade_step(web, "rollback", actor=actor_of("bob"))
    assert web.display_state == "rolling-back"
    assert idle(web).display_state == "active"
    assert images(web) == [("bb:local", "running")] * 3
    assert set(Container.all_objects.filter(removed=None).values_list("pk", flat=True)) == before
    assert (web.image, web.revision, web.config.image) == ("bb:local", 3, "bb:local")


def test_a_rollback_is_a_revision_of_its_own_with_who_and_when(web: Service, actor_of: Any, idle: Idle) -> None:
    idle(service_upgrade(web, actor=actor_of("bob"), config=config(), strategy=FAST))
    idle(service_upgrade_step(web, "rollback", actor=actor_of("alice")))
    newest, _upgraded, first = revisions_of(web)
    assert (newest.number, newest.note, newest.account) == (3, "Rolled back to revision 1", actor_of("alice").user)
    assert newest.created > first.created
    assert newest.config == first.config
    made_before = set(Container.all_objects.filter(removed=None).values_list("pk", flat=True))
    assert not plan_of_what_is_left(web), "what was kept needs no replacement"
    idle(service_upgrade(web, actor=actor_of("bob"), config=config(), strategy=FAST))
    assert web.revision == 4
    idle(service_upgrade_step(web, "rollback", actor=actor_of("bob")))
    assert [each.note for each in revisions_of(web)][:1] == ["Rolled back to revision 3"]
    assert set(Container.all_objects.filter(removed=None).values_list("pk", flat=True)) == made_before


def plan_of_what_is_left(row: Service) -> list[int]:
    """The containers in the service's slots that are of another revision than it is."""
    slots = Slot.objects.filter(service=row).select_related("container")
    return [slot.number for slot in slots if slot.container and revision_of(slot.container) != row.current_version]


def test_a_rollback_that_is_canceled_and_finished_is_one_revision(web: Service, actor_of: Any, idle: Idle) -> None:
    bob = actor_of("bob")
    idle(service_upgrade(web, actor=bob, config=config(), strategy=FAST))
    service_upgrade_step(web, "rollback", actor=bob)
    idle(service_upgrade_step(web, "cancelrollback", actor=bob))
    idle(service_upgrade_step(web, "finishupgrade", actor=bob))
    assert (web.display_state, web.revision, web.image) == ("active", 3, "bb:local")
    assert images(web) == [("bb:local", "running")] * 3


def test_the_new_ones_run_before_the_old_ones_stop(
    web: Service, actor_of: Any, sim: SimulatedDriver, idle: Idle, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_at_stops = []
    stop = sim.stop

    def counted(*arguments: Any, **more: Any) -> Any:
        running_at_stops.append(sum(each.state == "running" for each in sim.containers()))
        return stop(*arguments, **more)

    monkeypatch.setattr(sim, "stop", counted)
    strategy = UpgradeStrategy(batch_size=1, interval_ms=100, start_first=True)
    idle(service_upgrade(web, actor=actor_of("bob"), config=config(), strategy=strategy))
    assert running_at_stops == [4, 4, 4]
    assert web.display_state == "upgraded"
    assert images(web) == [("bb:local", "stopped")] * 3 + [("bb:new", "running")] * 3


def test_a_second_upgrade_starts_from_the_finished_first(web: Service, actor_of: Any, idle: Idle) -> None:
    bob = actor_of("bob")
    idle(service_upgrade(web, actor=bob, config=config(), strategy=FAST))
    idle(service_upgrade_step(web, "finishupgrade", actor=bob))
    idle(service_upgrade(web, actor=bob, config=config(OLD), strategy=FAST))
    idle(service_upgrade_step(web, "finishupgrade", actor=bob))
    assert images(web) == [("bb:local", "running")] * 3
    found = ServiceRevision.objects.filter(service=web).values_list("number", "image")
    assert list(found) == [(3, "bb:local"), (2, "bb:new"), (1, "bb:local")]


def test_a_canceled_upgrade_goes_no_further_and_can_be_finished_or_rolled_back(
    web: Service, actor_of: Any, idle: Idle, run_loop: Loop
) -> None:
    bob = actor_of("bob")
    before = set(Container.all_objects.values_list("pk", flat=True))
    service_upgrade(web, actor=bob, config=config(), strategy=UpgradeStrategy(interval_ms=60_000))
    run_loop()
    web.refresh_from_db()
    assert images(web).count(("bb:new", "running")) == 1
    service_upgrade_step(web, "cancelupgrade", actor=bob)
    assert idle(web).display_state == "canceled-upgrade"
    assert images(web) == [("bb:local", "running")] * 2 + [("bb:local", "stopped"), ("bb:new", "running")]
    service_upgrade_step(web, "rollback", actor=bob)
    assert idle(web).display_state == "active"
    assert images(web) == [("bb:local", "running")] * 3
    assert set(Container.all_objects.filter(removed=None).values_list("pk", flat=True)) == before


def test_a_broken_upgrade_can_be_canceled_though_its_containers_never_run(
    web: Service, actor_of: Any, idle: Idle, run_loop: Loop
) -> None:
    bob = actor_of("bob")
    service_upgrade(web, actor=bob, config=config("docker:bb:absent"), strategy=UpgradeStrategy(interval_ms=60_000))
    run_loop()
    web.refresh_from_db()
    assert web.display_state == "upgrading"
    assert idle(service_upgrade_step(web, "cancelupgrade", actor=bob)).display_state == "canceled-upgrade"
    assert idle(service_upgrade_step(web, "rollback", actor=bob)).display_state == "active"
    assert images(web) == [("bb:local", "running")] * 3


@pytest.mark.parametrize("start_first", [False, True])
def test_why_an_upgrade_does_not_go_on_is_said(
    web: Service, actor_of: Any, run_loop: Loop, *, start_first: bool
) -> None:
    strategy = UpgradeStrategy(interval_ms=60_000, start_first=start_first)
    service_upgrade(web, actor=actor_of("bob"), config=config("docker:bb:absent"), strategy=strategy)
    for _ in range(12):
        for model in (Pull, Container, Service):
            model.all_objects.filter(removed=None).update(next_attempt_at=web.created)
        run_loop()
    web.refresh_from_db()
    assert "Image pull failed" in web.message
    assert (web.display_state, web.transitioning) == ("upgrading", "error")


def test_what_dies_while_an_upgrade_is_canceled_is_replaced_by_its_like(
    web: Service, actor_of: Any, idle: Idle, run_loop: Loop
) -> None:
    bob = actor_of("bob")
    service_upgrade(web, actor=bob, config=config(), strategy=UpgradeStrategy(interval_ms=60_000))
    run_loop()
    web.refresh_from_db()
    idle(service_upgrade_step(web, "cancelupgrade", actor=bob))
    gone = Container.all_objects.filter(image="bb:local", desired="running").first()
    assert gone is not None
    container_act(gone, "remove", actor=bob)
    idle(web)
    found = [image for image, state in images(web) if state == "running"]
    assert sorted(found) == ["bb:local", "bb:local", "bb:new"]


def test_finishing_a_canceled_upgrade_takes_it_to_its_end(
    web: Service, actor_of: Any, idle: Idle, run_loop: Loop
) -> None:
    bob = actor_of("bob")
    service_upgrade(web, actor=bob, config=config(), strategy=UpgradeStrategy(interval_ms=60_000))
    run_loop()
    web.refresh_from_db()
    idle(service_upgrade_step(web, "cancelupgrade", actor=bob))
    service_upgrade_step(web, "finishupgrade", actor=bob)
    assert idle(web).display_state == "active"
    assert images(web) == [("bb:new", "running")] * 3


def test_removing_an_upgraded_service_removes_what_it_kept(web: Service, actor_of: Any, idle: Idle) -> None:
    idle(service_upgrade(web, actor=actor_of("bob"), config=config(), strategy=FAST))
    service_act(web, "remove", actor=actor_of("bob"))
    assert idle(web).display_state == "removed"
    assert images(web) == []


def test_an_inactive_service_is_active_after_its_upgrade(
    web: Service, lab: Environment, actor_of: Any, idle: Idle
) -> None:
    bob = actor_of("bob")
    row = idle(service_create(actor=bob, stack=web.stack, name="two", config=config(OLD), scale=1))
    idle(service_upgrade(row, actor=bob, config=config(), strategy=FAST))
    assert (row.display_state, images(row)) == ("upgraded", [("bb:new", "running")])


REFUSED: dict[str, tuple[Callable[[], Any], str, str]] = {
    "no batch": (lambda: UpgradeStrategy(batch_size=0), "batchSize", "MinLimitExceeded"),
    "a huge batch": (lambda: UpgradeStrategy(batch_size=1001), "batchSize", "MaxLimitExceeded"),
    "a truth": (lambda: UpgradeStrategy(batch_size=True), "batchSize", "InvalidFormat"),
    "no time between": (lambda: UpgradeStrategy(interval_ms=99), "intervalMillis", "MinLimitExceeded"),
    "more than a day": (lambda: UpgradeStrategy(interval_ms=86_400_001), "intervalMillis", "MaxLimitExceeded"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_strategy_has_limits(case: str) -> None:
    make, field, code = REFUSED[case]
    with pytest.raises(Invalid) as refused:
        make()
    assert (refused.value.field, refused.value.code) == (field, code)


ONE_ADDRESS: dict[str, tuple[ServiceOptions, dict[str, Any]]] = {
    "retained": (ServiceOptions(address_settings={"retainIp": True}), {}),
    "requested": (ServiceOptions(), {"requestedIpAddress": "10.42.9.9"}),
    "requested by label": (ServiceOptions(), {"labels": {"io.rancher.container.requested_ip": "10.42.9.9"}}),
}


@pytest.mark.parametrize("case", ONE_ADDRESS)
def test_an_address_that_old_and_new_would_share_leaves_no_way_to_start_first(
    web: Service, actor_of: Any, case: str
) -> None:
    options, fields = ONE_ADDRESS[case]
    bob = actor_of("bob")
    row = service_create(actor=bob, stack=web.stack, name="kept", config=config(OLD, **fields), options=options)
    first = UpgradeStrategy(start_first=True)
    with pytest.raises(Invalid) as refused:
        service_upgrade(row, actor=bob, config=config(**fields), strategy=first)
    assert (refused.value.field, refused.value.code) == ("startFirst", "InvalidOption")
    assert "stop the old ones first" in refused.value.message
    assert ServiceRevision.objects.filter(service=row).count() == 1, "nothing half-made"
    service_upgrade(row, actor=bob, config=config(**fields), strategy=FAST)


def test_another_address_than_before_is_free_while_the_old_ones_run(web: Service, actor_of: Any) -> None:
    bob, first = actor_of("bob"), UpgradeStrategy(start_first=True)
    row = service_create(
        actor=bob, stack=web.stack, name="moved", config=config(OLD, requestedIpAddress="10.42.9.9"), scale=1
    )
    service_upgrade(row, actor=bob, config=config(requestedIpAddress="10.42.9.10"), strategy=first)
    assert row.upgrade["startFirst"] is True


def test_a_privileged_configuration_is_refused_by_the_policy(web: Service, actor_of: Any) -> None:
    with pytest.raises(Invalid) as refused:
        service_upgrade(web, actor=actor_of("bob"), config=config(privileged=True), strategy=FAST)
    assert refused.value.field == "launchConfig.privileged"


def test_readers_may_not(web: Service, actor_of: Any, idle: Idle) -> None:
    with pytest.raises(Forbidden):
        service_upgrade(web, actor=actor_of("rita"), config=config(), strategy=FAST)
    idle(service_upgrade(web, actor=actor_of("bob"), config=config(), strategy=FAST))
    for action in ("finishupgrade", "rollback"):
        with pytest.raises(Forbidden):
            service_upgrade_step(web, action, actor=actor_of("rita"))
