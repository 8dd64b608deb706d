"""The names of sidekicks beside their configurations: always the same, and looked for without decrypting anything."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings

from apps.containers.fleet import stored_labels
from apps.containers.launch.config import LaunchConfig
from apps.core import encrypted
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.stacks.models import Service, Stack
from apps.stacks.new_services import check_names_free
from apps.stacks.services import service_create, service_update, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import preview_upgrade
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy

NAME = "0017_sidekick_names"
migration = import_module(f"apps.stacks.migrations.{NAME}")
PLAIN = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": {"tier": "front"}})
LOG, DATA = Sidekick("Log", PLAIN), Sidekick("data", PLAIN)
FILE = """
web:
  image: bb:local
  labels: {io.rancher.sidekicks: 'log,data'}
log: {image: 'bb:local'}
data: {image: 'bb:local'}
"""


@pytest.fixture
def stack(lab: Environment, actor_of: Any) -> Stack:
    return stack_create(actor=actor_of("bob"), environment=lab, name="shop")


def names(row: Service) -> list[str]:
    """The stored names, which must be those of the stored configurations."""
    row.refresh_from_db()
    assert row.sidekick_names == [each.name for each in row.sidekicks]
    found: list[str] = row.sidekick_names
    return found


def test_they_follow_what_the_service_has(stack: Stack, actor_of: Any) -> None:
    bob = actor_of("bob")
    row = service_create(actor=bob, stack=stack, name="web", config=UnitConfig(PLAIN, (LOG,)))
    assert names(row) == ["Log"]
    Service.all_objects.filter(pk=row.pk).update(state="inactive", observed_generation=row.generation)
    row.refresh_from_db()
    service_upgrade(row, actor=bob, config=None, sidekicks=[LOG, DATA], strategy=UpgradeStrategy(), is_whole=True)
    assert names(row) == ["Log", "data"]
    Service.all_objects.filter(pk=row.pk).update(state="upgraded", observed_generation=row.generation)
    row.refresh_from_db()
    service_upgrade_step(row, "rollback", actor=bob)
    assert names(row) == ["Log"]


def test_those_of_a_file_are_kept(lab: Environment, actor_of: Any) -> None:
    stack_create(actor=actor_of("bob"), environment=lab, name="file", docker_compose=FILE)
    assert names(Service.all_objects.get(name="web")) == ["log", "data"]


def test_older_services_get_theirs(stack: Stack, actor_of: Any) -> None:
    bob = actor_of("bob")
    row = service_create(actor=bob, stack=stack, name="web", config=UnitConfig(PLAIN, (LOG, DATA)))
    alone = service_create(actor=bob, stack=stack, name="alone", config=PLAIN)
    Service.all_objects.update(sidekick_names=[])
    with override_settings(MIGRATION_MODULES={}):
        models_then = MigrationLoader(None).project_state(("stacks", NAME)).apps
    migration.fill_names(models_then, None)
    assert (names(row), names(alone)) == (["Log", "data"], [])


def test_a_name_is_looked_for_without_decrypting(stack: Stack, actor_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    service_create(actor=actor_of("bob"), stack=stack, name="web", config=UnitConfig(PLAIN, (LOG,)))

    def refuse(token: str) -> str:
        raise AssertionError(token)

    monkeypatch.setattr(encrypted, "decrypt", refuse)
    check_names_free(stack, "other")
    for taken in ("LOG", "WEB"):
        with pytest.raises(Invalid):
            check_names_free(stack, taken)


def test_labels_are_decrypted_once(stack: Stack, actor_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [service_create(actor=actor_of("bob"), stack=stack, name=f"web{at}", config=PLAIN) for at in range(3)]
    calls, decrypt = [], encrypted.decrypt

    def count(token: str) -> str:
        calls.append(token)
        return decrypt(token)

    monkeypatch.setattr(encrypted, "decrypt", count)
    keys = [(row.uuid, row.generation) for row in made]
    for _ in range(2):
        assert list(stored_labels(Service, keys).values()) == [{"tier": "front"}] * 3
    assert len(calls) == 3


@pytest.fixture
def undecided(stack: Stack, actor_of: Any) -> Service:
    """A service whose upgrade left its sidekick out, and may still be rolled back."""
    row = service_create(actor=actor_of("bob"), stack=stack, name="web", config=UnitConfig(PLAIN, (LOG,)))
    Service.all_objects.filter(pk=row.pk).update(state="active", desired="active", observed_generation=row.generation)
    row.refresh_from_db()
    without = LaunchConfig.from_wire({"imageUuid": "docker:bb:new"})
    service_upgrade(row, actor=actor_of("bob"), config=without, sidekicks=[], strategy=UpgradeStrategy(), is_whole=True)
    Service.all_objects.filter(pk=row.pk).update(state="upgraded", observed_generation=row.generation)
    row.refresh_from_db()
    assert names(row) == []
    return row


def test_names_that_a_rollback_would_bring_back_are_refused(stack: Stack, actor_of: Any, undecided: Service) -> None:
    bob = actor_of("bob")
    plain = service_create(actor=bob, stack=stack, name="plain", config=PLAIN)
    for change in (
        lambda: service_create(actor=bob, stack=stack, name="log", config=PLAIN),
        lambda: service_create(actor=bob, stack=stack, name="api", config=UnitConfig(PLAIN, (Sidekick("log", PLAIN),))),
        lambda: service_update(plain, actor=bob, name="log"),
    ):
        with pytest.raises(Invalid, match="finish or roll back the upgrade of web first") as refused:
            change()
        assert refused.value.code == "NotUnique"
    draft = preview_upgrade(stack, StackFiles("log:\n  image: bb:local\n"), actor=bob)
    assert any("finish or roll back the upgrade of web first" in each for each in draft.problems)
    service_upgrade_step(undecided, "rollback", actor=bob)
    assert names(undecided) == ["Log"]


def test_names_of_sidekicks_are_free_once_the_upgrade_without_them_is_finished(
    stack: Stack, actor_of: Any, undecided: Service
) -> None:
    service_upgrade_step(undecided, "finishupgrade", actor=actor_of("bob"))
    assert service_create(actor=actor_of("bob"), stack=stack, name="log", config=PLAIN).name == "log"


def test_what_is_refused_is_the_field_in_which_the_taken_name_was_sent(stack: Stack, actor_of: Any) -> None:
    bob = actor_of("bob")
    service_create(actor=bob, stack=stack, name="web", config=UnitConfig(PLAIN, (LOG,)))
    plain = service_create(actor=bob, stack=stack, name="plain", config=PLAIN)

    def create(name: str, *sidekicks: str) -> None:
        unit = UnitConfig(PLAIN, tuple(Sidekick(each, PLAIN) for each in sidekicks))
        service_create(actor=bob, stack=stack, name=name, config=unit)

    for field, words, change in (
        ("name", "'web' has a sidekick 'log'", lambda: create("log")),
        ("name", "'web' has a sidekick 'log'", lambda: service_update(plain, actor=bob, name="log")),
        ("secondaryLaunchConfigs.log.name", "'web' has a sidekick 'log'", lambda: create("api", "log")),
        ("secondaryLaunchConfigs.plain.name", "has a service 'plain'", lambda: create("api", "plain")),
        ("secondaryLaunchConfigs.a b.name", "letters, digits", lambda: create("api", "a b")),
    ):
        with pytest.raises(Invalid, match=words) as refused:
            change()
        assert refused.value.field == field
