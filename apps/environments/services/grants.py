"""Groups and grants, derived from the member table."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db.models import Q
from guardian.shortcuts import assign_perm

from apps.accounts.models import User
from apps.accounts.spec import PERSON_KINDS
from apps.core import ports
from apps.environments.models import Environment, Member, RoleGroup
from apps.environments.roles import ROLES
from apps.environments.selectors import accounts_of, members_naming


def members_apply(row: Environment) -> None:
    """Derive groups and grants from the member table; safe to repeat."""
    members = list(row.members.all())
    for role in ROLES:
        accounts = accounts_of([member for member in members if member.role == role])
        _role_group(row, role).user_set.set(accounts)


def memberships_of_account(user: User) -> list[int]:
    """Put an account into the groups of the roles its identities have now and out of the others; safe to repeat.

    Returns the environments where something changed; their sockets are told to look again.
    """
    mine = members_naming(user)
    for member in mine:
        if member.account_id is None and member.identity_type in PERSON_KINDS.values():
            Member.objects.filter(pk=member.pk, account=None).update(account=user)
    wanted = {(member.environment_id, member.role) for member in mine}
    environments = {environment for environment, _role in wanted}
    groups = RoleGroup.objects.filter(Q(group__user=user) | Q(environment__in=environments)).distinct()
    held = set(RoleGroup.objects.filter(group__user=user).values_list("pk", flat=True))
    right = {row.pk: row for row in groups if (row.environment_id, row.role) in wanted}
    gone = [row for row in groups if row.pk in held and row.pk not in right]
    new = [row for key, row in right.items() if key not in held]
    user.groups.remove(*[row.group_id for row in gone])
    user.groups.add(*[row.group_id for row in new])
    changed = sorted({row.environment_id for row in [*gone, *new]})
    for environment in changed:
        tell(environment)
    return changed


def _role_group(row: Environment, role: str) -> Group:
    found = RoleGroup.objects.filter(environment=row, role=role).select_related("group").first()
    if found is not None:
        return found.group
    group = Group.objects.create(name=f"environment {row.pk} {role}")
    RoleGroup.objects.create(environment=row, role=role, group=group)
    for permission in ROLES[role]:
        assign_perm(permission, group, row)
    return group


def tell(environment: int) -> None:
    for close in ports.ports.rights_changed:
        close({"environment": environment})
