"""One account's memberships, brought in line with what its identities are now."""

from __future__ import annotations

from django.db.models import Q

from apps.accounts.models import User
from apps.accounts.spec import PERSON_KINDS
from apps.environments.models import Member, RoleGroup
from apps.environments.selectors import members_naming
from apps.environments.services.revoking import revoking


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
    changed = sorted({row.environment_id for row in [*gone, *new]})
    with revoking(None, environments=changed):
        user.groups.remove(*[row.group_id for row in gone])
        user.groups.add(*[row.group_id for row in new])
    return changed
