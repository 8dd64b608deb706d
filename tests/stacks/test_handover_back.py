"""The way back of a handover where the other service was stopped or fails meanwhile, and what is deleted meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.reconcile import reconcile_one
from apps.stacks.handover_services import HandoverStrategy, service_hand_over
from apps.stacks.models import Service
from apps.stacks.restore import service_restore
from apps.stacks.services import service_act, service_update
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.stacks.handovers import FAST, running, until


def test_a_rollback_starts_everything_at_once_where_the_other_one_was_stopped(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(3, 1, 100))
    until(step, "upgraded")
    service_act(new, "deactivate", actor=bob)
    step()
    service_act(old, "rollback", actor=bob)
    assert reconcile_one("service", old.pk)
    assert Container.all_objects.filter(spread_key=str(old.uuid), removed=None).count() == 2, "not one by one"
    assert until(step, "active")[-1] == (2, 0)
    assert (old.upgrade_target_id, old.scale, new.scale, new.display_state) == (None, 2, 0, "inactive")


def test_stopped_half_way_it_says_what_it_waits_for_and_goes_back(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(3, 1, 60_000))
    reconcile_one("service", old.pk)
    step()
    service_act(new, "deactivate", actor=bob)
    for _again in range(3):
        step()
    assert old.display_state == "upgrading"
    assert old.message == "new is stopped: start it, or cancel the upgrade of old and roll it back."
    service_act(old, "cancelupgrade", actor=bob)
    until(step, "canceled-upgrade")
    service_act(old, "rollback", actor=bob)
    assert until(step, "active")[-1] == (2, 0)
    assert (old.upgrade_target_id, new.display_state) == (None, "inactive")


@pytest.mark.parametrize("canceled", [False, True])
def test_a_rollback_does_not_wait_for_an_upgrade_of_the_other_one(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]], canceled: bool
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=FAST)
    until(step, "upgraded")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    service_upgrade(new, actor=bob, config=config, strategy=UpgradeStrategy(interval_ms=60_000))
    if canceled:
        reconcile_one("service", new.pk)
        new.refresh_from_db()
        service_act(new, "cancelupgrade", actor=bob)
    for _again in range(4):
        step()
    service_act(old, "rollback", actor=bob)
    assert until(step, "active")[-1] == (2, 0)
    assert old.upgrade_target_id is None
    assert new.display_state in {"canceled-upgrade" if canceled else "upgraded", "upgrading"}
    assert new.scale == 0


def test_a_handover_goes_on_while_an_upgrade_of_the_other_one_is_undecided(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(3, 1, 60_000))
    step()
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    service_upgrade(new, actor=bob, config=config, strategy=UpgradeStrategy(interval_ms=100))
    assert until(step, "upgraded")[-1] == (0, 3)
    assert new.display_state == "upgraded"


def test_what_cannot_be_scaled_now_is_named_and_the_service_is_back_nevertheless(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=FAST)
    until(step, "upgraded")
    Service.all_objects.filter(pk=new.pk).update(
        upgrade={"phase": "canceled-rollback"}, state="canceled-rollback", transition_state=""
    )
    service_act(old, "rollback", actor=bob)
    for _again in range(4):
        found = step()
    assert found == (2, 3, "rolling-back")
    assert old.message == (
        "old has 2 containers, new 3; waiting for new, which is canceled-rollback: Finish the upgrade first."
    )
    new.refresh_from_db()
    service_act(new, "finishupgrade", actor=bob)
    assert until(step, "active")[-1] == (2, 0)


@pytest.mark.parametrize(
    "launch", [{"imageUuid": "docker:bb:absent"}, {"imageUuid": "docker:bb:new", "ports": ["8099:80/tcp"]}]
)
def test_a_rollback_does_not_wait_for_containers_that_cannot_start(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]], launch: Any
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_act(new, "deactivate", actor=bob)
    step()
    Service.all_objects.filter(pk=new.pk).update(spec=LaunchConfig.from_wire(launch).to_json(), scale=5)
    new.refresh_from_db()
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(2, 1, 100))
    assert step()[2] == "upgrading"
    service_act(old, "cancelupgrade", actor=bob)
    until(step, "canceled-upgrade")
    service_act(old, "rollback", actor=bob)
    assert until(step, "active")[-1] == (2, 0)
    step()
    assert (old.upgrade_target_id, new.display_state, new.scale) == (None, "inactive", 5)


def test_one_that_was_stopped_before_is_stopped_again_at_its_scale(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_update(new, actor=bob, scale=3)
    step()
    service_act(new, "deactivate", actor=bob)
    step()
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(1, 2, 100))
    assert until(step, "upgraded")[-1] == (0, 1)
    service_act(old, "rollback", actor=bob)
    seen = until(step, "active")
    assert all(one + other >= 1 for one, other in seen), seen
    step()
    assert (running(old), running(new), new.display_state, new.scale) == (2, 0, "inactive", 3)


def test_a_rollback_of_an_older_handover_leaves_the_other_one_started(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_act(new, "deactivate", actor=bob)
    step()
    service_hand_over(old, new, actor=bob, strategy=FAST)
    until(step, "upgraded")
    kept = {name: value for name, value in old.upgrade.items() if name != "toDesired"}
    Service.all_objects.filter(pk=old.pk).update(upgrade=kept)
    old.refresh_from_db()
    service_act(old, "rollback", actor=bob)
    assert until(step, "active")[-1] == (2, 0)
    assert (new.display_state, new.scale) == ("active", 0)


def test_one_that_was_deleted_while_it_handed_over_is_restored_at_its_scale(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=FAST)
    until(step, "upgraded")
    service_act(old, "remove", actor=bob)
    until(step, "removed")
    service_restore(old, actor=bob)
    assert until(step, "active")[-1] == (2, 3)
    assert (old.scale, old.upgrade, old.upgrade_target_id) == (2, {}, None)
    service_act(new, "remove", actor=bob)
    step()
    assert step()[0] == 2, "it is part of no handover any more"


def test_one_that_had_handed_over_for_good_is_restored_as_it_was(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=FAST)
    until(step, "upgraded")
    service_act(old, "finishupgrade", actor=bob)
    until(step, "active")
    service_act(old, "remove", actor=bob)
    until(step, "removed")
    service_restore(old, actor=bob)
    until(step, "active")
    assert old.scale == 0
