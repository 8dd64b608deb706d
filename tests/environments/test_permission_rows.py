"""After each migration the database's permissions and the built-in roles' grants are what the table says."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db.models.signals import post_migrate

from apps.environments.models import Environment, EnvironmentGroupPermission, Role
from apps.environments.roles import PERMISSIONS, ROLES
from apps.environments.services import environment_create, permissions_sync

ROWS = Permission.objects.filter(content_type__app_label="environments", content_type__model="environment")


def grants(environment: Environment) -> dict[str, set[str]]:
    rows = EnvironmentGroupPermission.objects.filter(content_object=environment)
    found: dict[str, set[str]] = {}
    for role, name in rows.values_list("group__rolegroup__role", "permission__codename"):
        found.setdefault(role, set()).add(name)
    return found


def test_a_migrated_database_has_a_row_for_each_permission(db: None) -> None:
    assert set(PERMISSIONS) <= set(ROWS.values_list("codename", flat=True))


def test_it_runs_after_each_migration() -> None:
    config = apps.get_app_config("environments")
    assert permissions_sync in post_migrate._live_receivers(config)[0]


@pytest.mark.django_db(transaction=True)
def test_a_flushed_database_has_them_again() -> None:
    call_command("flush", interactive=False, verbosity=0)
    assert set(PERMISSIONS) <= set(ROWS.values_list("codename", flat=True))


def test_a_new_permission_reaches_every_environments_roles(
    lab: Environment, actor_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = environment_create(actor=actor_of("bob"), name="Other")
    monkeypatch.setitem(PERMISSIONS, "archive", "archive stacks")
    monkeypatch.setitem(ROLES, "owner", ROLES["owner"] | {"archive"})
    permissions_sync(apps=apps)
    assert ROWS.get(codename="archive").name == "archive stacks"
    for environment in (lab, other):
        assert grants(environment) == {role: set(held) for role, held in ROLES.items()}
    assert "archive" in actor_of("alice").permissions(lab.pk)
    assert "archive" not in actor_of("bob").permissions(lab.pk)


def test_a_role_that_lost_a_permission_loses_its_grants(
    lab: Environment, actor_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ROLES, "member", ROLES["member"] - {"exec"})
    permissions_sync(apps=apps)
    assert "exec" not in actor_of("bob").permissions(lab.pk)
    assert "exec" in actor_of("rex").permissions(lab.pk)


def test_grants_that_were_lost_come_back(lab: Environment, actor_of: Any) -> None:
    EnvironmentGroupPermission.objects.filter(group__rolegroup__role="restricted", permission__codename="logs").delete()
    permissions_sync(apps=apps)
    assert actor_of("rex").permissions(lab.pk) == ROLES["restricted"]


def test_custom_roles_keep_what_they_name(lab: Environment, actor_of: Any, custom: Any, give: Any) -> None:
    custom("runner", "exec")
    give(bob="runner")
    permissions_sync(apps=apps)
    assert Role.objects.get().held == actor_of("bob").permissions(lab.pk) == {"view", "exec"}


def test_where_all_is_as_it_should_be_nothing_is_written(lab: Environment, django_assert_num_queries: Any) -> None:
    permissions_sync(apps=apps)
    with django_assert_num_queries(1 + 2 * len(ROLES)):
        permissions_sync(apps=apps)


def test_an_empty_database_has_nothing_to_grant(db: None) -> None:
    EnvironmentGroupPermission.objects.all().delete()
    permissions_sync(apps=apps)
    assert not EnvironmentGroupPermission.objects.exists()


def test_nothing_happens_before_the_tables_are_there() -> None:
    class Nothing:
        def get_model(self, *_: str) -> None:
            raise LookupError

    permissions_sync(apps=Nothing())
