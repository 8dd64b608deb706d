"""Revisions say which one they brought back, and a service that was handed over and rolled back is as before."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.control import reconcile
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.handover_services import HandoverStrategy, service_hand_over
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.revisions import is_return_to
from apps.stacks.service_returns import service_return_to
from apps.stacks.services import service_act, service_create, stack_create
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy

NAME = "0026_returns"
migration = import_module(f"apps.stacks.migrations.{NAME}")
FAST = UpgradeStrategy(interval_ms=100)


def config(image: str) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": f"docker:{image}"})


@pytest.fixture(scope="module")
def models_then() -> Any:
    """The models as they were when the migration ran; other tests go without migrations."""
    with override_settings(MIGRATION_MODULES={}):
        return MigrationLoader(None).project_state(("stacks", NAME)).apps


@pytest.fixture
def pair(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> tuple[Service, Service]:
    """A running service, and another one without containers."""
    for image in ("bb:new", "bb:other"):
        sim.local_images.add(image)
    bob = actor_of("bob")
    stack = stack_create(actor=bob, environment=lab, name="shop")
    old, new = (
        service_create(actor=bob, stack=stack, name=name, config=config("bb:local"), scale=scale, start_on_create=True)
        for name, scale in (("old", 1), ("new", 0))
    )
    run_loop()
    for row in (old, new):
        row.refresh_from_db()
    return old, new


@pytest.fixture
def until(pair: tuple[Service, Service], run_loop: Callable[[], None]) -> Callable[[str], None]:
    """Run the loop until the old service has this state; pauses are over at once."""
    old, _new = pair

    def run(state: str) -> None:
        for _again in range(20):
            run_loop()
            old.refresh_from_db()
            if old.display_state == state:
                return
            status = {**old.status, "next_batch_at": None}
            Service.all_objects.filter(pk=old.pk).update(status=status, next_attempt_at=timezone.now())
        raise AssertionError(f"not {state} but {old.display_state}: {old.message}")

    return run


def returns(row: Service) -> dict[int, int | None]:
    return dict(ServiceRevision.objects.filter(service=row).values_list("number", "returns_to"))


def test_a_rollback_and_a_return_say_what_they_brought_back(
    pair: tuple[Service, Service], actor_of: Any, until: Callable[[str], None]
) -> None:
    bob, (old, _new) = actor_of("bob"), pair
    service_upgrade(old, actor=bob, config=config("bb:new"), strategy=FAST)
    until("upgraded")
    service_act(old, "rollback", actor=bob)
    until("active")
    assert returns(old) == {1: None, 2: None, 3: 1}
    service_upgrade(old, actor=bob, config=config("bb:other"), strategy=FAST)
    until("upgraded")
    assert not is_return_to(old, 1)
    service_act(old, "rollback", actor=bob)
    until("active")
    assert (old.revision, returns(old)[5]) == (5, 3)
    assert [is_return_to(old, number) for number in (1, 2, 3, 4, 5)] == [True, False, True, False, False]
    service_return_to(old, 2, actor=bob, strategy=FAST)
    assert (old.revision, returns(old)[6], is_return_to(old, 2)) == (6, 2, True)


def handover_of(row: Service) -> tuple[int | None, dict[str, Any]]:
    """What the service says of a handover."""
    return row.upgrade_target_id, row.upgrade


def hand_over_and_back(old: Service, new: Service, bob: Any, until: Callable[[str], None]) -> None:
    """Up to the moment in which nothing is left to do but to note the end of the rollback."""
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(final_scale=1, interval_ms=100))
    until("upgraded")
    service_act(old, "rollback", actor=bob)


def test_a_rolled_back_handover_leaves_nothing_behind(
    pair: tuple[Service, Service], actor_of: Any, until: Callable[[str], None]
) -> None:
    bob, (old, new) = actor_of("bob"), pair
    hand_over_and_back(old, new, bob, until)
    assert old.upgrade_target_id == new.pk
    until("active")
    assert handover_of(old) == (None, {})
    assert old.scale == 1
    other = service_create(actor=bob, stack=old.stack, name="other", config=config("bb:local"), start_on_create=True)
    until("active")
    other.refresh_from_db()
    service_hand_over(other, new, actor=bob, strategy=HandoverStrategy())
    assert other.upgrade_target_id == new.pk


def test_whoever_dies_at_the_end_of_the_rollback_leaves_both_or_neither(
    pair: tuple[Service, Service], actor_of: Any, until: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    bob, (old, new) = actor_of("bob"), pair
    hand_over_and_back(old, new, bob, until)
    usual, died = reconcile._update_operations, list[str]()

    def die(kind: Any, row: Any, result: Any, now: Any) -> None:
        if row.pk == old.pk and result.state == "active" and not died:
            died.append(result.state)
            raise KeyboardInterrupt
        usual(kind, row, result, now)

    monkeypatch.setattr(reconcile, "_update_operations", die)
    with pytest.raises(KeyboardInterrupt):
        until("active")
    old.refresh_from_db()
    assert (old.display_state, old.upgrade_target_id, old.upgrade["phase"]) == ("rolling-back", new.pk, "rolling-back")
    Service.all_objects.update(lease="", lease_until=None, next_attempt_at=timezone.now())
    until("active")
    assert handover_of(old) == (None, {})


def test_rows_from_before_are_cleared_by_the_migration_and_by_the_loop(
    pair: tuple[Service, Service], until: Callable[[str], None], models_then: Any
) -> None:
    old, new = pair
    before = {"id": "a1", "phase": "rolling-back", "fromScale": 1, "toScale": 0}
    status = {**old.status, "handed_over": "a1 rolling-back"}
    left_over = {"upgrade": before, "upgrade_target": new, "status": status}
    Service.all_objects.filter(pk=old.pk).update(**left_over)
    going = {"id": "b2", "phase": "rolling-back"}
    Service.all_objects.filter(pk=new.pk).update(upgrade=going, upgrade_target=old)
    migration.forget_handovers(models_then, None)
    for row in (old, new):
        row.refresh_from_db()
    assert handover_of(old) == (None, {})
    assert (new.upgrade, new.upgrade_target_id) == (going, old.pk)
    Service.all_objects.filter(pk=new.pk).update(upgrade={}, upgrade_target=None)
    Service.all_objects.filter(pk=old.pk).update(**left_over, next_attempt_at=timezone.now())
    until("active")
    assert handover_of(old) == (None, {})


def test_older_rollbacks_get_the_number_from_their_note(pair: tuple[Service, Service], models_then: Any) -> None:
    old, _new = pair
    notes = {2: "Rolled back to revision 7", 3: "Rolled back to revision 1", 4: "Rolled back to revision 1!"}
    for number, note in notes.items():
        ServiceRevision.objects.create(service=old, number=number, note=note)
    migration.fill_returns(models_then, None)
    assert returns(old) == {1: None, 2: None, 3: 1, 4: None}
