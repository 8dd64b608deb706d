"""An upgrade from one service to another: scales step by step, links, canceled, taken back, with rows and the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid, Locked
from apps.environments.models import Environment
from apps.stacks.handover_services import HandoverStrategy, service_hand_over
from apps.stacks.locks import lock_set
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.removal_preview import removal_preview
from apps.stacks.services import service_act, service_create, service_update, stack_create
from apps.stacks.stack_upgrade import stack_act
from apps.stacks.undo import change_undo
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.stacks.handovers import FAST, targets, until


def test_one_service_takes_over_from_the_other_and_both_stay(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    service_hand_over(old, new, actor=actor_of("bob"), strategy=FAST)
    assert (old.display_state, targets()) == ("upgrading", {"back": "new"})
    seen = until(step, "upgraded")
    assert seen[-1] == (0, 3)
    assert all(one + other >= 2 for one, other in seen), seen
    assert (old.scale, new.scale, new.display_state) == (0, 3, "active")
    aliases = [each.aliases for each in Container.all_objects.filter(spread_key=str(new.uuid), removed=None)]
    assert all("back" in each for each in aliases), "who linked to the old one finds the new one under the same name"
    service_act(old, "finishupgrade", actor=actor_of("bob"))
    assert until(step, "active") == [(0, 3)]
    assert (old.upgrade_target_id, old.removed, old.scale) == (None, None, 0)
    ended = Operation.all_objects.filter(name="service.upgrade").values_list("state", flat=True)
    assert list(ended) == ["succeeded"]


def test_back_again_with_the_links(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    service_hand_over(old, new, actor=actor_of("bob"), strategy=FAST)
    until(step, "upgraded")
    service_act(old, "rollback", actor=actor_of("bob"))
    assert targets() == {"back": "old"}
    seen = until(step, "active")
    assert seen[-1] == (2, 0)
    assert all(one + other >= 2 for one, other in seen), seen
    assert (old.scale, new.scale) == (2, 0)
    service_update(new, actor=actor_of("bob"), scale=2)
    assert step()[:2] == (2, 2), "what people scale afterwards stays as they want it"
    service_hand_over(old, new, actor=actor_of("bob"), strategy=FAST)
    assert until(step, "upgraded")[-1] == (0, 3)


def test_one_that_went_back_can_be_upgraded_by_itself(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob, within = actor_of("bob"), UpgradeStrategy(interval_ms=100)
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:new"})
    service_hand_over(old, new, actor=bob, strategy=FAST)
    until(step, "upgraded")
    with pytest.raises(ActionNotAvailable):
        service_upgrade(old, actor=bob, config=config, strategy=within)
    service_act(old, "rollback", actor=bob)
    until(step, "active")
    service_upgrade(old, actor=bob, config=config, strategy=within)
    assert until(step, "upgraded")[-1] == (2, 0)
    service_act(old, "finishupgrade", actor=bob)
    until(step, "active")
    assert (old.upgrade_target_id, old.image) == (None, "bb:new")


def test_canceled_half_way_both_stay_as_they_are_and_go_on_or_back(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(3, 1, 60_000))
    reconcile_one("service", old.pk)
    old.refresh_from_db()
    service_act(old, "cancelupgrade", actor=bob)
    assert until(step, "canceled-upgrade")[-1] == (2, 1)
    service_act(old, "rollback", actor=bob)
    assert until(step, "active")[-1] == (2, 0)
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(3, 1, 60_000))
    reconcile_one("service", old.pk)
    old.refresh_from_db()
    service_act(old, "cancelupgrade", actor=bob)
    until(step, "canceled-upgrade")
    service_act(old, "finishupgrade", actor=bob)
    assert until(step, "active")[-1] == (2, 1)
    assert (old.scale, new.scale) == (2, 1)


def test_links_that_moved_lead_back_as_soon_as_it_is_canceled(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, _new = handover_pair
    bob, before = actor_of("bob"), targets()
    strategy = HandoverStrategy(3, 1, 60_000, update_links=True)
    service_hand_over(old, Service.all_objects.get(name="new"), actor=bob, strategy=strategy)
    assert targets() != before
    reconcile_one("service", old.pk)
    old.refresh_from_db()
    service_act(old, "cancelupgrade", actor=bob)
    assert targets() == before
    until(step, "canceled-upgrade")
    service_act(old, "finishupgrade", actor=bob)
    until(step, "active")
    assert targets() == before, "what is left of it keeps its links"


def test_it_waits_for_containers_that_do_not_work_and_says_so(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    Service.all_objects.filter(pk=new.pk).update(spec={**new.spec, "imageUuid": "docker:bb:absent"})
    service_hand_over(old, new, actor=actor_of("bob"), strategy=HandoverStrategy(2, 1, 100))
    for _again in range(3):
        assert step()[0] == 2, "none of the old ones goes while no new one works"
    assert old.display_state == "upgrading"
    assert "new" in old.message
    service_act(new, "remove", actor=actor_of("bob"))
    assert until(step, "active")[-1][0] == 2
    assert (old.upgrade_target_id, old.upgrade) == (None, {})


def test_it_takes_everything_back_when_the_one_that_took_over_is_removed(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    service_hand_over(old, new, actor=actor_of("bob"), strategy=FAST)
    until(step, "upgraded")
    assert removal_preview(new).upgrades == ("old",)
    service_act(new, "remove", actor=actor_of("bob"))
    assert until(step, "active")[-1] == (2, 0)
    assert (targets(), old.scale, old.upgrade_target_id, old.upgrade) == ({"back": "old"}, 2, None, {})
    assert new.display_state == "removed"
    entry = AuditEntry.all_objects.get(event="service.rollback")
    assert entry.request["reason"] == "new, which was to take over, is removed."


def test_it_takes_everything_back_when_the_stack_of_the_other_one_is_removed(
    handover_pair: tuple[Service, Service], lab: Environment, actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, bob = handover_pair[0], actor_of("bob")
    stack = stack_create(actor=bob, environment=lab, name="next")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:new"})
    other = service_create(actor=bob, stack=stack, name="new", config=config, scale=0, start_on_create=True)
    step()
    other.refresh_from_db()
    service_hand_over(old, other, actor=bob, strategy=HandoverStrategy(3, 1, 60_000, update_links=True))
    step()
    stack_act(stack, "remove", actor=bob)
    assert until(step, "active")[-1][0] == 2
    step()
    assert ServiceLink.objects.get(name="back").target_id == old.pk
    assert (old.upgrade_target_id, Stack.all_objects.get(pk=stack.pk).display_state) == (None, "removed")


@pytest.mark.parametrize("action", ["cancelupgrade", "cancelrollback"])
def test_what_was_canceled_ends_when_the_other_one_is_removed(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]], action: str
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=HandoverStrategy(3, 1, 60_000, update_links=True))
    if action == "cancelrollback":
        until(step, "upgraded")
        service_act(old, "rollback", actor=bob)
        step()
    service_act(old, action, actor=bob)
    until(step, "canceled-upgrade" if action == "cancelupgrade" else "canceled-rollback")
    service_act(new, "remove", actor=bob)
    until(step, "active")
    assert (targets(), old.upgrade_target_id) == ({"back": "old"}, None)


def test_nothing_is_taken_back_while_the_removal_can_be_undone_or_where_both_go(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    bob = actor_of("bob")
    service_hand_over(old, new, actor=bob, strategy=FAST)
    until(step, "upgraded")
    service_act(new, "remove", actor=bob, undo_seconds=60)
    assert step() == (0, 3, "upgraded")
    assert targets() == {"back": "new"}
    change_undo(new, actor=bob)
    assert step() == (0, 3, "upgraded")
    stack_act(old.stack, "remove", actor=bob)
    for _again in range(4):
        step()
    assert (old.display_state, new.display_state, targets()) == ("removed", "removed", {})
    assert not AuditEntry.all_objects.filter(event="service.rollback").exists()


def test_a_stopped_successor_is_started(
    handover_pair: tuple[Service, Service], actor_of: Any, step: Callable[[], tuple[int, int, str]]
) -> None:
    old, new = handover_pair
    service_act(new, "deactivate", actor=actor_of("bob"))
    step()
    service_hand_over(old, new, actor=actor_of("bob"), strategy=FAST)
    assert until(step, "upgraded")[-1] == (0, 3)


def test_what_does_not_go_together_is_refused(
    handover_pair: tuple[Service, Service], lab: Environment, actor_of: Any
) -> None:
    old, new = handover_pair
    bob, stack = actor_of("bob"), Stack.all_objects.get(name="shop")
    everywhere = LaunchConfig.from_wire(
        {"imageUuid": "docker:bb:local", "labels": {"io.rancher.scheduler.global": "true"}}
    )
    spread = service_create(actor=bob, stack=stack, name="spread", config=everywhere)
    ending = LaunchConfig.from_wire(
        {"imageUuid": "docker:bb:local", "labels": {"io.rancher.container.start_once": "true"}}
    )
    once = service_create(actor=bob, stack=stack, name="once", config=ending)
    for target, code in ((old, "InvalidOption"), (spread, "InvalidOption"), (once, "InvalidOption")):
        with pytest.raises(Invalid) as refused:
            service_hand_over(old, target, actor=bob, strategy=FAST)
        assert (refused.value.field, refused.value.code) == ("toServiceStrategy.toServiceId", code)
    with pytest.raises(Invalid):
        HandoverStrategy(final_scale=0)
    with pytest.raises(Forbidden):
        service_hand_over(old, new, actor=actor_of("rita"), strategy=FAST)
    service_hand_over(old, new, actor=bob, strategy=FAST)
    third = Service.all_objects.get(name="user")
    with pytest.raises(Invalid, match="wait, or finish that first"):
        service_hand_over(third, new, actor=bob, strategy=FAST)
    assert targets() == {"back": "new"}


@pytest.mark.parametrize("locked", ["new", "user"])
def test_what_is_locked_is_neither_scaled_nor_linked_otherwise(
    handover_pair: tuple[Service, Service], actor_of: Any, locked: str
) -> None:
    old, new = handover_pair
    lock_set(Service.all_objects.get(name=locked), "audit", actor=actor_of("alice"))
    with pytest.raises(Locked):
        service_hand_over(old, new, actor=actor_of("bob"), strategy=FAST)
    old.refresh_from_db()
    assert (old.display_state, old.scale, targets()) == ("active", 2, {"back": "old"})
