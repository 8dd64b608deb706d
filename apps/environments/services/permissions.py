"""The permissions of `roles` as rows in the database: brought up to date after each migration."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Count

from apps.environments.models import Environment, EnvironmentGroupPermission, RoleGroup
from apps.environments.roles import PERMISSIONS, ROLES
from apps.environments.services.members import role_grants_sync


def permissions_sync(**signal: Any) -> None:
    """Create the rows of new permissions, and give the built-in roles' groups what their role has now; idempotent.

    It receives `post_migrate`, so that a new permission needs no migration. Custom roles name their permissions
    themselves and are left alone.
    """
    migrated = signal.get("apps", apps)  # `flush` sends the signal without it
    try:
        migrated.get_model("environments", "RoleGroup")
    except LookupError:  # migrated back to before the tables
        return
    _create_missing()
    for role, held in ROLES.items():
        if not _is_granted(role, held):
            role_grants_sync(role, held)


def _create_missing() -> None:
    kind = ContentType.objects.get_for_model(Environment)
    known = set(Permission.objects.filter(content_type=kind).values_list("codename", flat=True))
    new = [Permission(content_type=kind, codename=name, name=text) for name, text in PERMISSIONS.items()]
    Permission.objects.bulk_create(each for each in new if each.codename not in known)


def _is_granted(role: str, held: frozenset[str]) -> bool:
    """Whether all groups of a role have exactly these permissions, by counting: there may be thousands of groups."""
    groups = RoleGroup.objects.filter(role=role)
    grants = EnvironmentGroupPermission.objects.filter(group__in=groups.values("group")).order_by()
    counted = dict(grants.values_list("permission__codename").annotate(count=Count("pk")))
    count = groups.count()
    return counted == (dict.fromkeys(held, count) if count else {})
