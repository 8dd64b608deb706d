"""What a service's return to a revision would do is said before, and is what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.errors import Forbidden, Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.service_returns import preview_service_return, service_return_to
from apps.stacks.services import link_add, service_create, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

FAST = UpgradeStrategy(2, 100)


def config(image: str = "bb:local", **fields: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": f"docker:{image}", **fields})


@pytest.fixture
def upgraded(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> Callable[..., Service]:
    """A running service of two containers after an upgrade of what is given from `before`, finished."""
    sim.local_images.add("bb:new")
    bob = actor_of("bob")

    def make(before: UnitConfig, primary: LaunchConfig | None, *sidekicks: Sidekick) -> Service:
        stack = stack_create(actor=bob, environment=lab, name="shop")
        row = service_create(actor=bob, stack=stack, name="web", config=before, scale=2, start_on_create=True)
        run_loop()
        row.refresh_from_db()
        service_upgrade(row, actor=bob, config=primary, sidekicks=sidekicks, strategy=FAST, is_whole=bool(sidekicks))
        run_loop()
        row.refresh_from_db()
        service_upgrade_step(row, "finishupgrade", actor=bob)
        run_loop()
        row.refresh_from_db()
        assert row.display_state == "active"
        return row

    return make


def running() -> set[str]:
    """What runs, by name and number."""
    rows = Container.all_objects.filter(removed=None, desired="running")
    return {f"{each.name} {each.pk}" for each in rows}


def test_the_containers_of_the_preview_are_those_that_the_return_replaces(
    upgraded: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    log = Sidekick("log", config(labels={"level": "info"}))
    row = upgraded(UnitConfig(config(), (log,)), None, Sidekick("log", config(labels={"level": "debug"})))
    draft = preview_service_return(row, 1, actor=actor_of("bob"), strategy=FAST)
    assert (draft.what, draft.problem, draft.warnings, draft.starts) == ("upgrade", "", (), False)
    assert draft.replaced is not None
    assert (draft.replaced.primary, draft.replaced.changed) == (False, ("log",))
    assert [(each.sidekick, each.key, each.before, each.after) for each in draft.differences] == [
        ("log", "level", "debug", "info")
    ]
    before = running()
    service_return_to(row, 1, actor=actor_of("bob"), strategy=FAST)
    run_loop()
    gone = {each.split()[0] for each in before - running()}
    assert gone == set(draft.containers)
    assert len(gone) == 2


def test_what_an_undecided_upgrade_keeps_is_not_counted(
    upgraded: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    bob = actor_of("bob")
    levels = [Sidekick("log", config(labels={"level": each})) for each in ("info", "debug", "error")]
    row = upgraded(UnitConfig(config(), (levels[0],)), None, levels[1])
    service_upgrade(row, actor=bob, config=None, sidekicks=(levels[2],), strategy=FAST)
    run_loop()
    row.refresh_from_db()
    assert row.display_state == "upgraded"
    assert Container.all_objects.filter(removed=None, launch_name="log", desired="stopped").count() == 2
    for target in (2, 3):
        draft = preview_service_return(row, 1, actor=bob, strategy=FAST)
        assert draft.containers == ("shop_web_log_1", "shop_web_log_2")
        service_return_to(row, target, actor=bob, strategy=FAST)
        run_loop()
        row.refresh_from_db()


def test_links_that_came_since_are_in_the_preview(upgraded: Any, actor_of: Any) -> None:
    bob, row = actor_of("bob"), upgraded(UnitConfig(config()), config("bb:new"))
    other = service_create(actor=bob, stack=row.stack, name="db", config=config(), start_on_create=False)
    link_add(row, other, "db", actor=bob)
    draft = preview_service_return(row, 1, actor=bob, strategy=FAST)
    assert ("links", "db", "removed") in {(each.field, each.key, each.change) for each in draft.differences}
    assert draft.containers == ("shop_web_1", "shop_web_2")


def test_what_stands_in_the_way_is_the_problem_and_the_refusal(upgraded: Any, actor_of: Any) -> None:
    bob, log = actor_of("bob"), Sidekick("log", config())
    row = upgraded(UnitConfig(config(), (log,)), config("bb:new"), log)
    start_first = UpgradeStrategy(2, 100, start_first=True)
    draft = preview_service_return(row, 1, actor=bob, strategy=start_first)
    with pytest.raises(Invalid) as refusal:
        service_return_to(row, 1, actor=bob, strategy=start_first)
    assert draft.problem == refusal.value.message


def test_a_revision_that_is_not_there_and_a_reader_are_refused(upgraded: Any, actor_of: Any) -> None:
    row = upgraded(UnitConfig(config()), config("bb:new"))
    with pytest.raises(Invalid, match="no revision 9"):
        preview_service_return(row, 9, actor=actor_of("bob"), strategy=FAST)
    with pytest.raises(Forbidden):
        preview_service_return(row, 1, actor=actor_of("rita"), strategy=FAST)
    assert preview_service_return(row, 2, actor=actor_of("bob"), strategy=FAST).what == "unchanged"
