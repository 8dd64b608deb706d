"""An installation from before choosing members was a permission of its own: its owners keep it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission

from apps.environments.models import Environment, EnvironmentGroupPermission
from apps.environments.roles import ROLES

upgrade = import_module("apps.environments.migrations.0003_owners_choose_members")


def test_owners_keep_choosing_members_when_that_becomes_a_permission(people: Any, lab: Environment, actor_of: Any):
    Permission.objects.filter(codename="members", content_type__app_label="environments").delete()
    assert "members" not in actor_of("alice").permissions(lab.pk)
    upgrade.grant(apps, None)
    assert actor_of("alice").permissions(lab.pk) == ROLES["owner"]
    assert actor_of("bob").permissions(lab.pk) == ROLES["member"]


def test_an_empty_installation_has_nothing_to_give(db: None):
    upgrade.grant(apps, None)
    assert not EnvironmentGroupPermission.objects.exists()
