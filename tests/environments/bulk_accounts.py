"""A thousand accounts in two hundred environments, written straight into the tables as the services leave them."""

from __future__ import annotations

from django.contrib.auth.models import Group, Permission

from apps.accounts.models import AccountNumber, User
from apps.environments.models import (
    Environment,
    EnvironmentGroupPermission,
    Member,
    RoleGroup,
)
from apps.environments.roles import ROLES

FIRST = 10_000
IN_SYNC = {"desired": "active", "state": "active", "observed_generation": 1}


def create_members(everywhere: User, accounts: int, environments: int, each: int) -> list[int]:
    """Accounts, environments, and in each of these `each` members beside `everywhere`, who is one in all of them.

    Returns the environments' numbers.
    """
    AccountNumber.objects.bulk_create(AccountNumber(pk=FIRST + n) for n in range(accounts + environments))
    users = [User(pk=FIRST + n, login=f"u{n}", name=f"User {n}", **IN_SYNC) for n in range(accounts)]
    User.objects.bulk_create(users)
    places = [Environment(pk=FIRST + accounts + n, name=f"e{n:03}", **IN_SYNC) for n in range(environments)]
    Environment.objects.bulk_create(places)
    groups = _groups(places)
    memberships = [
        (place, users[(index * 7 + n) % accounts], list(ROLES)[n % 4])
        for index, place in enumerate(places)
        for n in range(each)
    ]
    memberships += [(place, everywhere, "member") for place in places]
    Member.objects.bulk_create(
        Member(environment=place, identity=f"1a{user.pk}", account=user, role=role) for place, user, role in memberships
    )
    through = User.groups.through
    through.objects.bulk_create(
        through(user_id=user.pk, group_id=groups[place.pk, role]) for place, user, role in memberships
    )
    return [place.pk for place in places]


def _groups(places: list[Environment]) -> dict[tuple[int, str], int]:
    wanted = [(place, role) for place in places for role in ROLES]
    made = Group.objects.bulk_create(Group(name=f"environment {place.pk} {role}") for place, role in wanted)
    RoleGroup.objects.bulk_create(
        RoleGroup(environment=place, role=role, group=group) for (place, role), group in zip(wanted, made, strict=True)
    )
    kinds = Permission.objects.filter(content_type__app_label="environments", content_type__model="environment")
    permissions = {each.codename: each for each in kinds}
    EnvironmentGroupPermission.objects.bulk_create(
        EnvironmentGroupPermission(group=group, content_object=place, permission=permissions[name])
        for (place, role), group in zip(wanted, made, strict=True)
        for name in ROLES[role]
    )
    return {(place.pk, role): group.pk for (place, role), group in zip(wanted, made, strict=True)}
