"""Who can have rights, and what groups give to accounts in open environments."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from apps.environments.access.held import is_open
from apps.environments.models import EnvironmentGroupPermission

Right = tuple[int | None, str]


class Holder(NamedTuple):
    """An account, or one of its keys."""

    account: int
    key: int | None = None


def granted_to(accounts: Collection[int], environments: Collection[int]) -> dict[int, set[Right]]:
    """What each account may do where, in one query; who may do nothing is left out."""
    rows = EnvironmentGroupPermission.objects.filter(group__user__in=accounts, content_object__in=environments)
    held: dict[tuple[int, int], set[str]] = {}
    active: dict[int, bool] = {}
    columns = ("group__user", "content_object", "permission__codename", "content_object__desired")
    for account, place, name, desired in rows.values_list(*columns):
        held.setdefault((account, place), set()).add(name)
        active[place] = desired == "active"
    found: dict[int, set[Right]] = {}
    for (account, place), names in held.items():
        if is_open(names, active=active[place]):
            found.setdefault(account, set()).update((place, name) for name in names)
    return found
