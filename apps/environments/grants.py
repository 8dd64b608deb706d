"""The bulk reader of permissions: any number of accounts and keys in any number of environments, in a few queries."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple, TypeVar

from apps.accounts.models import ApiKey, User
from apps.environments.evaluator import (
    NO_GRANT,
    NO_PERMISSIONS,
    Decision,
    EnvironmentRef,
    Grant,
    Holder,
    KeyLimit,
    evaluate,
)
from apps.environments.models import EnvironmentGroupPermission, KeyScope, Role

K = TypeVar("K", bound=Hashable)


class Principal(NamedTuple):
    """An account, or one of its keys, by number."""

    account: int
    key: int | None = None


def decide(holders: Mapping[K, Holder], environments: Collection[int] | None = None) -> dict[K, dict[int, Decision]]:
    """What each holder may do in these environments, in one query at most; where it may do nothing is left out.

    None asks about every environment in which somebody is granted something and that was not removed; so an
    administrator, who needs no grant, is to be asked about by name.
    """
    environments = _reachable_environments(holders.values(), environments)
    members = {each.account for each in holders.values() if each.is_effective and not each.is_admin}
    grants = read_grants(members, environments)
    everywhere = dict.fromkeys(map(EnvironmentRef, environments or ()), NO_GRANT)
    found: dict[K, dict[int, Decision]] = {}
    for key, holder in holders.items():
        given = everywhere if holder.is_admin else grants.get(holder.account, {})
        decisions = {ref.environment: evaluate(holder, ref, grant) for ref, grant in given.items()}
        found[key] = {environment: decision for environment, decision in decisions.items() if decision.held}
    return found


def decide_one(holder: Holder, environments: Collection[int] | None = None) -> dict[int, Decision]:
    """What one holder may do in these environments; as `decide`."""
    return decide({None: holder}, environments)[None]


def _reachable_environments(holders: Iterable[Holder], environments: Collection[int] | None) -> Collection[int] | None:
    """Without those that none of the holders can have a permission in, as all are keys of other environments."""
    pinned = {holder.limit.environment if holder.limit else None for holder in holders}
    reachable = {each for each in pinned if each is not None}
    if len(reachable) < len(pinned):
        return environments
    return reachable if environments is None else reachable.intersection(environments)


def read_grants(
    accounts: Collection[int], environments: Collection[int] | None = None
) -> dict[int, dict[EnvironmentRef, Grant]]:
    """What roles give each account in these environments (None: in all that were not removed), in one query at most."""
    if not accounts or (environments is not None and not environments):
        return {}
    rows = EnvironmentGroupPermission.objects.filter(group__user__in=accounts)
    if environments is None:
        rows = rows.filter(content_object__desired__in=("active", "inactive"))
    else:
        rows = rows.filter(content_object__in=environments)
    columns = (
        "group__user",
        "content_object",
        "content_object__desired",
        "permission__codename",
        "group__rolegroup__role",
    )
    permissions: dict[tuple[int, EnvironmentRef], set[str]] = {}
    roles: dict[tuple[int, EnvironmentRef], set[str]] = {}
    for account, environment, desired, permission, role in rows.values_list(*columns):
        where = account, EnvironmentRef(environment, is_active=desired == "active")
        permissions.setdefault(where, set()).add(permission)
        roles.setdefault(where, set()).update({role} if role else set())
    found: dict[int, dict[EnvironmentRef, Grant]] = {}
    for (account, ref), names in permissions.items():
        found.setdefault(account, {})[ref] = Grant(frozenset(names), frozenset(roles[account, ref]))
    return found


def load_holders(principals: Collection[Principal]) -> dict[Principal, Holder]:
    """The accounts and keys as the evaluator takes them, in three queries at most.

    What does not exist (any more) is not effective. Whether a key's addresses allow it is not asked.
    """
    users = User.objects.filter(pk__in={each.account for each in principals})
    accounts = {user.pk: Holder(user.pk, is_active=user.is_active, is_admin=user.is_admin) for user in users}
    numbers = {each.key for each in principals if each.key is not None}
    limits = limits_of(ApiKey.objects.filter(pk__in=numbers).select_related("scope")) if numbers else {}
    found = {}
    for each in principals:
        holder = accounts.get(each.account, Holder(each.account, is_active=False))
        limited = each.key is not None
        found[each] = replace(holder, limit=limits.get(each.key or 0, KeyLimit(is_usable=False))) if limited else holder
    return found


def limits_of(keys: Iterable[ApiKey]) -> dict[int, KeyLimit]:
    """The limit of each key (read with its `scope`), with one query for the roles that people made, if any is named."""
    scopes = {key: getattr(key, "scope", None) for key in keys}
    known = Role.permissions_named({_role_of(key, scope) for key, scope in scopes.items()})
    return {key.pk: _limit_of(key, scope, known) for key, scope in scopes.items()}


def limit_of(key: ApiKey, scope: KeyScope | None) -> KeyLimit:
    """The limit of one key."""
    return _limit_of(key, scope, Role.permissions_named({_role_of(key, scope)}))


def _role_of(key: ApiKey, scope: KeyScope | None) -> str:
    return scope.role if scope else key.role


def _limit_of(key: ApiKey, scope: KeyScope | None, known: Mapping[str, frozenset[str]]) -> KeyLimit:
    role = _role_of(key, scope)
    return KeyLimit(
        role=role,
        permissions=known.get(role, NO_PERMISSIONS) if role else None,
        environment=scope.environment_id if scope else None,
        is_usable=key.desired == "active" and not key.is_expired,
    )
