"""Groups and grants, derived from the member table and from what the roles are."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group, Permission

from apps.environments.models import Environment, EnvironmentGroupPermission, Role, RoleGroup
from apps.environments.roles import ROLES
from apps.environments.selectors import accounts_of


def members_apply(row: Environment) -> None:
    """Derive groups and grants from the member table; safe to repeat."""
    members = list(row.members.all())
    groups = {each.role: each for each in row.role_groups.select_related("group")}
    wanted = dict.fromkeys([*ROLES, *(member.role for member in members), *groups])
    _make_groups(row, groups, [role for role in wanted if role not in groups])
    for role in wanted:
        accounts = accounts_of([member for member in members if member.role == role])
        groups[role].group.user_set.set(accounts)


def _make_groups(row: Environment, groups: dict[str, RoleGroup], missing: list[str]) -> None:
    """The groups of these roles, with their grants, into `groups`."""
    if not missing:
        return
    known = Role.every()
    for role in missing:
        group = Group.objects.create(name=f"environment {row.pk} {role}")
        groups[role] = RoleGroup.objects.create(environment=row, role=role, group=group)
    _grant([(groups[role], known.get(role, frozenset())) for role in missing])


def _grant(given: Iterable[tuple[RoleGroup, frozenset[str]]]) -> None:
    of_environments = Permission.objects.filter(content_type__app_label="environments")
    permissions = {each.codename: each for each in of_environments.filter(content_type__model="environment")}
    EnvironmentGroupPermission.objects.bulk_create(
        EnvironmentGroupPermission(
            group_id=group.group_id, content_object_id=group.environment_id, permission=permissions[name]
        )
        for group, held in given
        for name in sorted(held)
    )


def role_apply(name: str, held: frozenset[str]) -> None:
    """Give the groups that hold a role in some environment exactly these permissions."""
    groups = list(RoleGroup.objects.filter(role=name))
    EnvironmentGroupPermission.objects.filter(group__in=[each.group_id for each in groups]).delete()
    _grant([(group, held) for group in groups])
