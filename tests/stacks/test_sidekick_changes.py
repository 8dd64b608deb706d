"""Sidekicks that a service gets, loses and changes by an upgrade, and gets back by a rollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.selectors import service_views
from apps.stacks.service_returns import service_return_to
from apps.stacks.services import service_act, service_create, stack_create
from apps.stacks.sidekicks import PRIMARY, SIDEKICKS_LABEL, Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

ALL = UpgradeStrategy(batch_size=9, interval_ms=100)

pytestmark = pytest.mark.faces


def config(**more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **more})


LOG, DATA = Sidekick("log", config(networkLaunchConfig="web")), Sidekick("data", config())
Make = Callable[..., Service]
Settle = Callable[[Service], Service]


@pytest.fixture
def settle(run_loop: Callable[[], None]) -> Settle:
    def wait(row: Service) -> Service:
        for _ in range(4):
            rows = Container.all_objects.filter(removed=None, next_attempt_at__isnull=False)
            rows.update(next_attempt_at=row.created)
            Service.all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
            run_loop()
        row.refresh_from_db()
        return row

    return wait


@pytest.fixture
def make(lab: Environment, host: Host, actor_of: Any, settle: Settle) -> Make:
    def create(*sidekicks: Sidekick, **primary: Any) -> Service:
        bob = actor_of("bob")
        row = service_create(
            actor=bob,
            stack=stack_create(actor=bob, environment=lab, name="shop"),
            name="web",
            config=UnitConfig(config(**primary), sidekicks),
            scale=2,
            start_on_create=True,
        )
        return settle(row)

    return create


def members(row: Service) -> list[tuple[str, str]]:
    """Name in the unit and state of what there is."""
    found = Container.all_objects.filter(spread_key=str(row.uuid), removed=None).exclude(desired="removed")
    return sorted((each.launch_name.replace(PRIMARY, "web") or "web", each.display_state) for each in found)


def on_engine() -> dict[str, str]:
    """Names of what there is on hosts by the ids that their engines gave."""
    found = Container.all_objects.filter(removed=None).exclude(external_id="").exclude(desired="removed")
    return dict(found.values_list("external_id", "name"))


def twice(*names: str, state: str = "running") -> list[tuple[str, str]]:
    return sorted((name, state) for name in names * 2)


def change(row: Service, actor: Any, *sidekicks: Sidekick, primary: LaunchConfig | None = None) -> None:
    service_upgrade(row, actor=actor, config=primary, sidekicks=sidekicks, strategy=ALL, is_whole=True)


def test_one_more_is_added_to_each_unit_and_goes_with_a_rollback(make: Make, settle: Settle, actor_of: Any) -> None:
    row = make(DATA)
    before = set(Container.all_objects.filter(removed=None).values_list("pk", flat=True))
    change(row, actor_of("bob"), DATA, LOG)
    assert (settle(row).display_state, members(row)) == ("upgraded", twice("web", "data", "log"))
    assert before < set(Container.all_objects.filter(removed=None).values_list("pk", flat=True))
    service_upgrade_step(row, "rollback", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web", "data"))
    assert set(Container.all_objects.filter(removed=None).values_list("pk", flat=True)) == before


def test_one_is_taken_away_and_comes_back_with_a_rollback(make: Make, settle: Settle, actor_of: Any) -> None:
    row = make(DATA, LOG, labels={SIDEKICKS_LABEL: "data,log"})
    before = on_engine()
    change(row, actor_of("bob"), DATA)
    assert settle(row).display_state == "upgraded"
    assert members(row) == sorted(twice("web", "data") + twice("log", state="stopped"))
    assert row.config.labels == {SIDEKICKS_LABEL: "data"}
    assert (row.status["health"], row.status["running"]) == ("healthy", 2)
    (view,) = service_views([row])
    assert "log" not in {each.launch_name for each in view.members}
    service_upgrade_step(row, "rollback", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web", "data", "log"))
    assert on_engine() == before
    found = Container.all_objects.filter(removed=None, launch_name="log").values_list("start_count", "restarts")
    assert list(found) == [(2, 0)] * 2, "that it goes on is no restart: the rollback started it"


def test_one_that_was_taken_away_goes_when_the_upgrade_is_finished(make: Make, settle: Settle, actor_of: Any) -> None:
    row = make(DATA, LOG)
    change(row, actor_of("bob"), DATA)
    service_upgrade_step(settle(row), "finishupgrade", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web", "data"))
    assert len(on_engine()) == 4


@pytest.mark.parametrize("end", ["rollback", "finishupgrade"])
def test_one_that_lends_its_volumes_is_kept_with_the_primary_that_takes_them(
    make: Make, settle: Settle, actor_of: Any, end: str
) -> None:
    row = make(DATA, LOG, dataVolumesFromLaunchConfigs=["data"])
    before = on_engine()
    change(row, actor_of("bob"), LOG, primary=config())
    assert settle(row).display_state == "upgraded"
    assert members(row) == sorted(twice("web", "log") + twice("web", "data", state="stopped"))
    service_upgrade_step(row, end, actor=actor_of("bob"))
    row = settle(row)
    if end == "rollback":
        assert (row.display_state, members(row)) == ("active", twice("web", "data", "log"))
        lent = {key: name for key, name in on_engine().items() if name.startswith(("shop_web_data", "shop_web_1"))}
        assert lent.items() <= before.items()
    else:
        assert (row.display_state, members(row)) == ("active", twice("web", "log"))


@pytest.mark.parametrize("sidekicks", [[], [DATA]], ids=["the last", "one of two"])
def test_one_in_the_network_of_a_primary_that_is_replaced_starts_again_with_the_old_one(
    make: Make, settle: Settle, actor_of: Any, sidekicks: list[Sidekick]
) -> None:
    row = make(*sidekicks, LOG)
    before, names = on_engine(), [each.name for each in sidekicks]
    change(row, actor_of("bob"), *sidekicks, primary=config(environment={"A": "b"}))
    assert settle(row).display_state == "upgraded"
    assert members(row) == sorted(twice("web", *names) + twice("web", "log", state="stopped"))
    service_upgrade_step(row, "rollback", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web", *names, "log"))
    assert on_engine() == before


def test_an_upgrade_over_an_undecided_one_keeps_what_the_rollback_leads_to_and_nothing_else(
    make: Make, settle: Settle, actor_of: Any
) -> None:
    row = make(DATA, LOG)
    before = on_engine()
    change(row, actor_of("bob"), DATA, Sidekick("more", config()))
    change(settle(row), actor_of("bob"), DATA)
    assert settle(row).display_state == "upgraded"
    assert members(row) == sorted(twice("web", "data") + twice("log", state="stopped"))
    service_upgrade_step(row, "rollback", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web", "data", "log"))
    assert on_engine() == before


def test_one_that_is_taken_away_and_added_again_is_made_anew_and_the_old_one_kept(
    make: Make, settle: Settle, actor_of: Any
) -> None:
    row = make(DATA, LOG)
    before = on_engine()
    change(row, actor_of("bob"), DATA)
    change(settle(row), actor_of("bob"), DATA, LOG)
    assert settle(row).display_state == "upgraded"
    assert members(row) == sorted(twice("web", "data", "log") + twice("log", state="stopped"))
    service_upgrade_step(row, "rollback", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web", "data", "log"))
    assert on_engine() == before


def test_a_service_that_is_removed_takes_what_is_kept_along(make: Make, settle: Settle, actor_of: Any) -> None:
    row = make(DATA, LOG)
    change(row, actor_of("bob"), DATA)
    service_act(settle(row), "remove", actor=actor_of("bob"))
    settle(row)
    assert on_engine() == {}


def test_the_first_ones_replace_the_containers_that_are_in_no_unit(make: Make, settle: Settle, actor_of: Any) -> None:
    row = make()
    change(row, actor_of("bob"), DATA, LOG)
    row = settle(row)
    assert row.display_state == "upgraded"
    assert members(row) == sorted(twice("web", "data", "log") + twice("web", state="stopped"))
    service_upgrade_step(row, "rollback", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web"))
    service_return_to(row, 2, actor=actor_of("bob"), strategy=ALL)
    service_upgrade_step(settle(row), "finishupgrade", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web", "data", "log"))


def test_the_last_one_leaves_a_service_of_single_containers(make: Make, settle: Settle, actor_of: Any) -> None:
    row = make(LOG)
    change(row, actor_of("bob"))
    assert settle(row).display_state == "upgraded"
    assert members(row) == sorted(twice("web") + twice("log", state="stopped"))
    service_upgrade_step(row, "finishupgrade", actor=actor_of("bob"))
    assert (settle(row).display_state, members(row)) == ("active", twice("web"))
    service_return_to(row, 1, actor=actor_of("bob"), strategy=ALL)
    assert members(settle(row)) == sorted(twice("web", "log") + twice("web", state="stopped"))


def test_the_same_ones_are_no_upgrade(make: Make, settle: Settle, actor_of: Any) -> None:
    row = make(DATA, LOG)
    with pytest.raises(Invalid) as caught:
        change(row, actor_of("bob"), DATA, LOG)
    assert (caught.value.field, caught.value.code) == ("launchConfig", "InvalidOption")
    assert settle(row).display_state == "active"


@pytest.mark.parametrize(
    ("name", "field", "code"),
    [
        ("other", "secondaryLaunchConfigs.other.name", "NotUnique"),
        ("web", "secondaryLaunchConfigs.web.name", "NotUnique"),
        ("a_b", "secondaryLaunchConfigs.a_b.name", "InvalidCharacters"),
        ("", "secondaryLaunchConfigs.name", "MissingRequired"),
    ],
)
def test_a_name_that_cannot_be_is_refused(make: Make, actor_of: Any, name: str, field: str, code: str) -> None:
    row = make(DATA)
    service_create(actor=actor_of("bob"), stack=row.stack, name="other", config=config())
    with pytest.raises(Invalid) as caught:
        change(row, actor_of("bob"), DATA, Sidekick(name, config()))
    assert (caught.value.field, caught.value.code) == (field, code)
    row.refresh_from_db()
    assert (row.revision, row.upgrade_phase) == (1, "")


def test_one_that_others_refer_to_cannot_be_taken_away(make: Make, actor_of: Any) -> None:
    row = make(DATA, dataVolumesFromLaunchConfigs=["data"])
    with pytest.raises(Invalid, match="no 'data' in this service"):
        change(row, actor_of("bob"))
