"""How upgrades are judged is part of a service's and a stack's history, and comes back with a rollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.balancer.revisions import changes_between
from apps.stacks.models import Service, ServiceRevision, Stack
from apps.stacks.revisions import find_revision
from apps.stacks.service_returns import service_return_to
from apps.stacks.services import service_update, stack_create
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import stack_act, stack_return_to, stack_upgrade
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

FIRST = {"minutes": 7, "onGood": "ask", "onBad": "rollback", "errorPattern": ""}
OTHER = {"minutes": 30, "onGood": "finish", "onBad": "ask", "errorPattern": "OOPS"}
COMPOSE = "web: {image: 'bb:local'}\n"


@pytest.fixture
def shop(lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]) -> Stack:
    sim.local_images.add("bb:new")
    row = stack_create(
        actor=actor_of("bob"), environment=lab, name="shop", docker_compose=COMPOSE, start_on_create=True
    )
    run_loop()
    service_update(Service.all_objects.get(), actor=actor_of("bob"), verdict_settings=FIRST)
    run_loop()
    row.refresh_from_db()
    return row


@pytest.fixture
def go(shop: Stack, run_loop: Callable[[], None]) -> Callable[[], Service]:
    def settle() -> Service:
        for _ in range(4):
            Service.all_objects.update(next_attempt_at="2020-01-01T00:00:00Z")
            Stack.all_objects.update(next_attempt_at="2020-01-01T00:00:00Z")
            run_loop()
        shop.refresh_from_db()
        return Service.all_objects.select_related("stack").get()

    return settle


def upgrade(row: Service, actor: Any, image: str = "bb:new", **more: Any) -> None:
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{image}"})
    strategy = UpgradeStrategy(interval_ms=100, verdict={"minutes": 0}, **more)
    service_upgrade(row, actor=actor, config=config, strategy=strategy)


def test_a_rollback_brings_back_how_upgrades_were_judged(shop: Stack, go: Callable[[], Service], actor_of: Any) -> None:
    bob = actor_of("bob")
    upgrade(go(), bob, keeps_verdict=True)
    row = go()
    assert (row.display_state, row.verdict_settings) == ("upgraded", {})
    service_upgrade_step(row, "rollback", actor=bob)
    row = go()
    assert (row.display_state, row.verdict_settings) == ("active", FIRST)


def test_going_back_to_a_revision_does_as_well_and_the_comparison_says_it(
    shop: Stack, go: Callable[[], Service], actor_of: Any
) -> None:
    bob = actor_of("bob")
    upgrade(go(), bob)
    service_upgrade_step(go(), "finishupgrade", actor=bob)
    service_update(go(), actor=bob, verdict_settings=OTHER)
    row = go()
    assert row.verdict_settings == OTHER
    found = [each for each in changes_between(find_revision(row, 1), row) if each.field == "upgradeVerdict"]
    assert {each.key: (each.before, each.after) for each in found}["minutes"] == ("7", "30")
    service_return_to(row, 1, actor=bob, strategy=UpgradeStrategy(interval_ms=100, verdict={"minutes": 0}))
    row = go()
    assert (row.image, row.verdict_settings) == ("bb:local", FIRST)
    assert ServiceRevision.objects.get(service=row, number=2).verdict_settings == OTHER


def test_revisions_of_older_portals_leave_the_settings_as_they_are(
    shop: Stack, go: Callable[[], Service], actor_of: Any
) -> None:
    bob = actor_of("bob")
    upgrade(go(), bob)
    ServiceRevision.objects.update(verdict_settings=None)
    service_upgrade_step(go(), "rollback", actor=bob)
    row = go()
    assert row.verdict_settings == FIRST
    assert not [each for each in changes_between(find_revision(row, 2), row) if each.field == "upgradeVerdict"]


def test_a_stacks_revision_has_them_and_a_file_leaves_them(
    shop: Stack, go: Callable[[], Service], actor_of: Any
) -> None:
    bob = actor_of("bob")
    go()
    stack_upgrade(shop, StackFiles(docker_compose=COMPOSE.replace("local", "new")), actor=bob)
    row = go()
    assert row.verdict_settings == FIRST, "no file says anything of it"
    before = shop.previous_revision or 0
    stack_act(shop, "finishupgrade", actor=bob)
    service_update(go(), actor=bob, verdict_settings=None)
    assert go().verdict_settings == {}
    stack_return_to(shop, before, actor=bob)
    assert go().verdict_settings == FIRST
