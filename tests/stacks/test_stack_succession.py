"""An upgrade that replaces another one: the corrected file is what comes, and the way back leads to before both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container
from apps.control.models import Operation
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.handover_services import HandoverStrategy, service_hand_over
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create, stack_create
from apps.stacks.stack_plan import CREATE, KEEP, REMOVE, UNCHANGED, UPDATE, UPGRADE
from apps.stacks.stack_succession import RETURN, UnfinishedUpgrade, join_parts, part_of, unfinished_upgrade
from apps.stacks.stack_upgrade import preview_upgrade, stack_act, stack_upgrade
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.stacks.shop import AFTER, NEW, OLD, config, files, images, links

MISTYPED = AFTER.replace("bb:new", "bb:absent")
Go = Callable[[], str]


@pytest.mark.parametrize(
    ("before", "what", "has_run", "expected"),
    [
        (CREATE, REMOVE, False, ""),
        (CREATE, UPGRADE, False, CREATE),
        (CREATE, UNCHANGED, False, CREATE),
        (UPGRADE, REMOVE, False, REMOVE),
        (UPGRADE, UPDATE, False, UPGRADE),
        (UPGRADE, KEEP, False, UPGRADE),
        (UPDATE, UPGRADE, False, UPGRADE),
        (UPDATE, UNCHANGED, False, UPDATE),
        (REMOVE, REMOVE, True, REMOVE),
        (REMOVE, KEEP, True, RETURN),
        (REMOVE, UPDATE, True, RETURN),
        (REMOVE, UNCHANGED, False, UPDATE),
        (REMOVE, UPGRADE, True, UPGRADE),
    ],
)
def test_what_a_service_is_to_the_second_upgrade(before: str, what: str, has_run: bool, expected: str) -> None:
    assert part_of(before, what, has_run=has_run) == expected


def test_services_that_are_not_meant_stay_what_they_were() -> None:
    last = UnfinishedUpgrade(1, {"a": REMOVE, "b": UPGRADE}, frozenset({"a"}))
    changes = [("a", "old", KEEP), ("b", "web", UPGRADE), ("c", "other", KEEP)]
    assert join_parts(last, changes, only=("web",)) == {"a": REMOVE, "b": UPGRADE}
    assert join_parts(last, changes) == {"a": RETURN, "b": UPGRADE}


@pytest.mark.parametrize(
    ("state", "phase"),
    [("active", "finishing"), ("rolling-back", "rolling-back"), ("canceled-upgrade", "canceled-rollback")],
)
def test_what_is_finished_or_taken_back_is_not_replaced(state: str, phase: str) -> None:
    assert unfinished_upgrade(state, {"phase": phase, "from": 1}) is None
    assert unfinished_upgrade("upgrading", {"phase": "upgrading", "from": 3}) == UnfinishedUpgrade(3)


def test_a_corrected_file_replaces_an_upgrade_that_cannot_end(shop: Stack, actor_of: Any, go: Go) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(docker_compose=MISTYPED, remove_missing=True), actor=bob)
    assert go() == "upgrading"
    first = preview_upgrade(shop, files(remove_missing=True), actor=bob).steps[0]
    assert first.change.what == UPGRADE
    stack_upgrade(shop, files(remove_missing=True), actor=bob)
    assert shop.upgrade["from"] == 1
    assert go() == "upgraded"
    assert images() == NEW
    assert Service.all_objects.get(name="web").previous_revision == 1
    stack_act(shop, "finishupgrade", actor=bob)
    assert go() == "active"
    assert images() == NEW
    left = Container.all_objects.filter(removed=None).exclude(display_state="running")
    assert not left.exists()
    assert not Service.all_objects.filter(name="old", removed=None).exists()
    states = Operation.all_objects.filter(name="stack.upgrade").order_by("pk").values_list("state", flat=True)
    assert list(states) == ["superseded", "succeeded"]


def test_rolling_back_the_second_leads_to_before_the_first(shop: Stack, actor_of: Any, go: Go) -> None:
    bob = actor_of("bob")
    before = set(Container.all_objects.filter(name__contains="_web_").values_list("pk", flat=True))
    stack_upgrade(shop, files(docker_compose=MISTYPED, remove_missing=True), actor=bob)
    go()
    stack_upgrade(shop, files(), actor=bob)
    assert go() == "upgraded"
    stack_act(shop, "rollback", actor=bob)
    assert go() == "active"
    assert images() == OLD
    assert links() == {"web:store": "db"}
    assert shop.revision == 4
    there = Container.all_objects.filter(name__contains="_web_", removed=None).values_list("pk", flat=True)
    assert set(there) == before


def test_what_the_first_stopped_runs_again_when_the_second_keeps_it(shop: Stack, actor_of: Any, go: Go) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(docker_compose=MISTYPED, remove_missing=True), actor=bob)
    go()
    assert Service.all_objects.get(name="old").display_state == "inactive"
    stack_upgrade(shop, files(), actor=bob)
    assert go() == "upgraded"
    assert images() == {**NEW, "old": ["bb:local"]}
    stack_act(shop, "finishupgrade", actor=bob)
    assert go() == "active"
    assert images() == {**NEW, "old": ["bb:local"]}


def test_what_the_first_made_goes_when_the_second_does_not_have_it(shop: Stack, actor_of: Any, go: Go) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(docker_compose=MISTYPED), actor=bob)
    go()
    text = "web: {image: 'bb:new'}\ndb: {image: 'bb:local'}\nold: {image: 'bb:local'}\n"
    stack_upgrade(shop, files(docker_compose=text, remove_missing=True), actor=bob)
    assert go() == "upgraded"
    assert not Service.all_objects.filter(name="cache", removed=None).exists()
    stack_act(shop, "rollback", actor=bob)
    assert go() == "active"
    assert images() == OLD


def test_a_service_that_fails_may_be_left_out(shop: Stack, actor_of: Any, go: Go) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(docker_compose=MISTYPED, remove_missing=True), actor=bob)
    go()
    stack_upgrade(
        shop, files(docker_compose="db: {image: 'bb:local'}\n", rancher_compose="", remove_missing=True), actor=bob
    )
    assert go() == "upgraded"
    stack_act(shop, "finishupgrade", actor=bob)
    assert go() == "active"
    assert images() == {"db": ["bb:local"] * 2}


def test_a_canceled_upgrade_goes_on_with_the_next_file(shop: Stack, actor_of: Any, go: Go) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(), actor=bob)
    stack_act(shop, "cancelupgrade", actor=bob)
    assert go() == "canceled-upgrade"
    stack_upgrade(shop, files(rancher_compose=AFTER_WITH_THREE), actor=bob)
    assert go() == "upgraded"
    assert images() == {**NEW, "db": ["bb:local"] * 3, "old": ["bb:local"]}
    stack_act(shop, "rollback", actor=bob)
    assert go() == "active"
    assert images() == OLD


AFTER_WITH_THREE = "web: {scale: 2, upgrade_strategy: {batch_size: 2, interval_millis: 100}}\ndb: {scale: 3}\n"


def test_only_a_number_changes_while_the_upgrade_goes_on(shop: Stack, actor_of: Any, go: Go) -> None:
    bob = actor_of("bob")
    stack_upgrade(shop, files(docker_compose=MISTYPED), actor=bob)
    go()
    more = "web: {scale: 3, upgrade_strategy: {batch_size: 2, interval_millis: 100}}\ndb: {scale: 2}\n"
    stack_upgrade(shop, files(docker_compose=MISTYPED, rancher_compose=more), actor=bob)
    web = Service.all_objects.get(name="web")
    assert (web.scale, web.display_state, web.previous_revision) == (3, "upgrading", 1)
    stack_upgrade(shop, files(rancher_compose=more), actor=bob)
    assert go() == "upgraded"
    assert images()["web"] == ["bb:new"] * 3


def test_who_may_not_operate_replaces_no_upgrade(shop: Stack, actor_of: Any, go: Go) -> None:
    stack_upgrade(shop, files(docker_compose=MISTYPED), actor=actor_of("bob"))
    go()
    with pytest.raises(Forbidden):
        stack_upgrade(shop, files(), actor=actor_of("rita"))
    shop.refresh_from_db()
    assert shop.revision == 2


def test_a_new_service_whose_image_is_mistyped_takes_a_corrected_file(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    bob = actor_of("bob")
    text = "web: {image: 'bb:absent'}\n"
    row = stack_create(actor=bob, environment=lab, name="shop", docker_compose=text, start_on_create=True)
    run_loop()
    web = Service.all_objects.get(name="web")
    assert web.display_state in {"registering", "activating"}
    row.refresh_from_db()
    stack_upgrade(row, files(docker_compose=text.replace("absent", "local"), rancher_compose=""), actor=bob)
    run_loop()
    assert images() == {"web": ["bb:local"]}
    row.refresh_from_db()
    assert row.display_state == "upgraded"


def test_a_service_that_hands_over_takes_no_upgrade_meanwhile(
    shop: Stack, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    bob = actor_of("bob")
    web = Service.all_objects.get(name="web")
    other = service_create(
        actor=bob, stack=shop, name="web2", config=config("bb:local"), scale=1, start_on_create=False
    )
    run_loop()
    other.refresh_from_db()
    service_hand_over(web, other, actor=bob, strategy=HandoverStrategy(final_scale=2))
    with pytest.raises(ActionNotAvailable, match="handing over"):
        service_upgrade(web, actor=bob, config=config("bb:new"), strategy=UpgradeStrategy())


def test_a_service_in_an_upgrade_does_not_hand_over(shop: Stack, actor_of: Any) -> None:
    bob = actor_of("bob")
    web, db = Service.all_objects.get(name="web"), Service.all_objects.get(name="db")
    service_upgrade(web, actor=bob, config=config("bb:absent"), strategy=UpgradeStrategy())
    with pytest.raises(Invalid, match="finish that, or take it back"):
        service_hand_over(web, db, actor=bob, strategy=HandoverStrategy())


@pytest.mark.parametrize("start_first", [False, True])
def test_a_service_goes_back_to_before_all_of_its_unfinished_upgrades(
    shop: Stack,
    actor_of: Any,
    go: Go,
    start_first: bool,
) -> None:
    bob = actor_of("bob")
    web = Service.all_objects.get(name="web")
    for image in ("bb:new", "bb:absent", "bb:new"):
        strategy = UpgradeStrategy(interval_ms=100, start_first=start_first)
        service_upgrade(web, actor=bob, config=config(image), strategy=strategy)
        go()
        assert images()["web"].count("bb:absent") == 0
        web.refresh_from_db()
    assert (web.display_state, web.previous_revision, web.revision) == ("upgraded", 1, 4)
    assert images()["web"] == ["bb:new"] * 2
    service_upgrade_step(web, "rollback", actor=bob)
    go()
    assert images()["web"] == ["bb:local"] * 2
    assert not Container.all_objects.filter(removed=None, display_state="stopped").exists()
