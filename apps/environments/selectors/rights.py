"""What many accounts and keys may do in several environments, in a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection

from apps.accounts.models import ApiKey, User
from apps.environments.models import Role
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors.granted import Holder, Right, granted_to

Rights = dict[Holder, frozenset[Right]]
_SITE: Right = (None, "admin")


def rights_of(holders: Collection[Holder], environments: Collection[int]) -> Rights:
    """What each may do where: pairs of environment and permission; `(None, "admin")` rules the installation.

    As `Actor` finds it for one, but for accounts and keys that are not usable at all: those have no rights. Whether
    a key's addresses allow it is not asked.
    """
    accounts = {holder.account for holder in holders}
    users = {user.pk: user for user in User.objects.filter(pk__in=accounts)}
    granted = granted_to(accounts, environments)
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
