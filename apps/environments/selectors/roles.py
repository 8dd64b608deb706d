"""Roles: the ones to choose from, and who has which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from apps.accounts.models import ApiKey
from apps.core.hooks import hooks
from apps.core.plurals import counted
from apps.environments.models import KeyScope, Member, Role, RoleGroup
from apps.environments.roles import ROLES


@dataclass(frozen=True, slots=True)
class RoleChoice:
    """One role; `key` is its number, None for the built-in ones."""

    name: str
    permissions: frozenset[str]
    label: str = ""
    description: str = ""
    key: int | None = None


def role_choices(within: frozenset[str] | None = None) -> list[RoleChoice]:
    """All roles, the built-in ones first; only those that `within` covers if it is given."""
    found = [RoleChoice(name, held) for name, held in ROLES.items()]
    found += [RoleChoice(each.name, each.held, each.label, each.description, each.pk) for each in Role.objects.all()]
    return [each for each in found if within is None or each.permissions <= within]


REMOVED_STATES = ("removed", "purged")


@dataclass(frozen=True, slots=True)
class RoleUsage:
    """How many members and keys have a role, and how many rules give it to somebody outside."""

    members: int = 0
    keys: int = 0
    rules: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.members + self.keys + self.rules

    def __str__(self) -> str:
        found = ((self.members, "member"), (self.keys, "key"), (self.rules, "trust rule"))
        return ", ".join(counted(number, noun) for number, noun in found if number)


def role_usage(names: Collection[str]) -> dict[str, RoleUsage]:
    """How often each role is given, in a constant number of queries; removed keys and rules do not count."""
    tables: list[QuerySet[Any]] = [
        Member.objects.all(),
        KeyScope.objects.exclude(key__desired__in=REMOVED_STATES),
        ApiKey.objects.exclude(desired__in=REMOVED_STATES),
        *(model.all_objects.filter(removed=None) for model in hooks.role_giving_rules),
    ]
    members, inside, outside, *rules = (
        Counter(dict(rows.filter(role__in=names).order_by().values_list("role").annotate(count=Count("pk"))))
        for rows in tables
    )
    return {
        name: RoleUsage(members[name], inside[name] + outside[name], sum(each[name] for each in rules))
        for name in names
    }


def environments_with_role(name: str) -> set[int]:
    """The environments where members or keys may have the role."""
    groups = RoleGroup.objects.filter(role=name).values_list("environment", flat=True)
    return {*groups, *KeyScope.objects.filter(role=name).values_list("environment", flat=True)}


def accounts_with_role(name: str) -> set[int]:
    """The accounts with account keys that have the role."""
    return set(ApiKey.objects.filter(role=name).values_list("account", flat=True))
