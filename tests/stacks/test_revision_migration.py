"""Services from before every one had a first revision get theirs, as the models were at that migration."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings

from apps.containers.launch.config import LaunchConfig
from apps.environments.models import Environment
from apps.stacks.models import Service, ServiceRevision, Stack
from apps.stacks.revisions import columns_of, save_revision
from apps.stacks.services import service_create, stack_create
from apps.stacks.sidekicks import Sidekick, UnitConfig

NAME = "0009_revisions_and_restarts"
migration = import_module(f"apps.stacks.migrations.{NAME}")
OLD = LaunchConfig.from_wire({"imageUuid": "docker:bb:old", "environment": {"PIN": "1234"}})
NEW = LaunchConfig.from_wire({"imageUuid": "docker:bb:new"})
LOG = Sidekick("log", LaunchConfig.from_wire({"imageUuid": "docker:log", "networkLaunchConfig": "web"}))


@pytest.fixture(scope="module")
def models_then() -> Any:
    """The models as they were when the migration ran; other tests go without migrations."""
    with override_settings(MIGRATION_MODULES={}):
        return MigrationLoader(None).project_state(("stacks", NAME)).apps


@pytest.fixture
def stack(lab: Environment, actor_of: Any) -> Stack:
    return stack_create(actor=actor_of("bob"), environment=lab, name="shop")


def found() -> dict[tuple[str, int], ServiceRevision]:
    return {(each.service.name, each.number): each for each in ServiceRevision.objects.select_related("service")}


def test_each_gets_one_with_its_sidekicks_and_its_time(stack: Stack, actor_of: Any, models_then: Any) -> None:
    unit = UnitConfig(OLD, (LOG,))
    web = service_create(actor=actor_of("bob"), stack=stack, name="web", config=unit)
    gone = service_create(actor=actor_of("bob"), stack=stack, name="gone", config=NEW)
    Service.all_objects.filter(pk=gone.pk).update(removed=gone.created, revision=3, primary_version=2)
    ServiceRevision.objects.all().delete()
    migration.keep_first_revisions(models_then, None)
    rows = found()
    assert set(rows) == {("web", 1), ("gone", 3)}
    first, last = rows["web", 1], rows["gone", 3]
    assert (first.config, first.image, first.sidekicks) == (web.config, "bb:old", web.sidekicks)
    assert (first.primary_version, first.created, first.account, first.via) == (None, web.created, None, "")
    assert (last.primary_version, last.sidekicks, last.config) == (2, (), NEW)


def test_those_that_have_revisions_and_a_second_run_get_none(stack: Stack, actor_of: Any, models_then: Any) -> None:
    bob = actor_of("bob")
    row = service_create(actor=bob, stack=stack, name="web", config=OLD)
    save_revision(row, 2, columns_of(row), bob, "kept")
    service_create(actor=bob, stack=stack, name="new", config=NEW)
    ServiceRevision.objects.filter(service__name="new").delete()
    for _ in range(2):
        migration.keep_first_revisions(models_then, None)
    assert {key: each.note for key, each in found().items()} == {("web", 1): "", ("web", 2): "kept", ("new", 1): ""}


def test_more_than_one_batch(stack: Stack, models_then: Any) -> None:
    Service.all_objects.bulk_create(
        [Service(environment=stack.environment, stack=stack, name=f"s{number}") for number in range(201)]
    )
    migration.keep_first_revisions(models_then, None)
    assert len(found()) == 201
