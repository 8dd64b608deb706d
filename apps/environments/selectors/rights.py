"""What many accounts and keys may do in several environments, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from apps.accounts.models import ApiKey, User
from apps.environments.access.held import is_open
from apps.environments.models import EnvironmentGroupPermission, Role
from apps.environments.roles import PERMISSIONS

Right = tuple[int | None, str]


class Holder(NamedTuple):
    """An account, or one of its keys."""

    account: int
    key: int | None = None


Rights = dict[Holder, frozenset[Right]]
_SITE: Right = (None, "admin")


def rights_of(holders: Collection[Holder], environments: Collection[int]) -> Rights:
    """What each may do where: pairs of environment and permission; `(None, "admin")` rules the installation.

    As `Actor` finds it for one, but for accounts and keys that are not usable at all: those have no rights. Whether
    a key's addresses allow it is not asked.
    """
    accounts = {holder.account for holder in holders}
    users = {user.pk: user for user in User.objects.filter(pk__in=accounts)}
    granted = _granted(accounts, environments)
    everything = {(place, name) for place in environments for name in PERMISSIONS}
    of_account: dict[int, frozenset[Right]] = {}
    for number in accounts:
        user = users.get(number)
        if user is None or not user.is_active:
            of_account[number] = frozenset()
        else:
            of_account[number] = frozenset({*everything, _SITE} if user.is_admin else granted.get(number, set()))
    keys = _limits({holder.key for holder in holders if holder.key is not None})
    return {holder: _within(of_account[holder.account], holder, keys) for holder in holders}


def _within(
    held: frozenset[Right], holder: Holder, keys: dict[int, tuple[int | None, frozenset[str] | None]]
) -> frozenset[Right]:
    if holder.key is None:
        return held
    if holder.key not in keys:
        return frozenset()
    place, limit = keys[holder.key]
    return frozenset(
        right for right in held if (place is None or right[0] == place) and (limit is None or right[1] in limit)
    )


def _limits(keys: Collection[int]) -> dict[int, tuple[int | None, frozenset[str] | None]]:
    """The environment that each usable key is pinned to (None: any), and the permissions that it is held to."""
    rows = [
        key
        for key in ApiKey.objects.filter(pk__in=keys, desired="active").select_related("scope")
        if not key.is_expired
    ]
    known = Role.every() if rows else {}
    found = {}
    for key in rows:
        scope = getattr(key, "scope", None)
        name = scope.role if scope else key.role
        found[key.pk] = (scope.environment_id if scope else None, known.get(name, frozenset()) if name else None)
    return found


def _granted(accounts: Collection[int], environments: Collection[int]) -> dict[int, set[Right]]:
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
