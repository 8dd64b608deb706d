"""What accounts and keys may do where, for many at once and in a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from django.db.models import Q, QuerySet

from apps.accounts.models import ApiKey, User
from apps.environments.actor import Actor, is_visible
from apps.environments.models import Environment, EnvironmentGroupPermission, Member, Role
from apps.environments.reasons import EnvironmentRef, KeyLimit, Subject
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors.members import accounts_of_members, build_match, is_match, names_by_account


def environments_of(actor: Actor, *, everything: bool = False) -> QuerySet[Environment]:
    """The environments the actor is a member of, or all of them for an admin that asks for `everything`."""
    keys = actor.environments("view", everything=everything)
    return Environment.objects.filter(pk__in=keys)


def environments_by_id(keys: Iterable[int]) -> list[Environment]:
    """The environments with these numbers, of which the caller knows that the actor sees them."""
    return list(Environment.objects.filter(pk__in=list(keys)).order_by("pk"))


Right = tuple[int | None, str]


class Principal(NamedTuple):
    """An account, or one of its keys."""

    account: int
    key: int | None = None


def rights_granted_to(accounts: Collection[int], environments: Collection[int]) -> dict[int, set[Right]]:
    """What each account may do where, in one query; who may do nothing is left out."""
    rows = EnvironmentGroupPermission.objects.filter(group__user__in=accounts, content_object__in=environments)
    held: dict[tuple[int, int], set[str]] = {}
    active: dict[int, bool] = {}
    columns = ("group__user", "content_object", "permission__codename", "content_object__desired")
    for account, environment_id, name, desired in rows.values_list(*columns):
        held.setdefault((account, environment_id), set()).add(name)
        active[environment_id] = desired == "active"
    found: dict[int, set[Right]] = {}
    for (account, environment_id), names in held.items():
        if is_visible(names, active=active[environment_id]):
            found.setdefault(account, set()).update((environment_id, name) for name in names)
    return found


Rights = dict[Principal, frozenset[Right]]
_SITE_ADMIN: Right = (None, "admin")


def rights_of(principals: Collection[Principal], environments: Collection[int]) -> Rights:
    """What each may do where: pairs of environment and permission; `(None, "admin")` rules the installation.

    As `Actor` finds it for one, but for accounts and keys that are not usable at all: those have no rights. Whether
    a key's addresses allow it is not asked.
    """
    accounts = {principal.account for principal in principals}
    users = {user.pk: user for user in User.objects.filter(pk__in=accounts)}
    granted = rights_granted_to(accounts, environments)
    everything = {(environment_id, name) for environment_id in environments for name in PERMISSIONS}
    of_account: dict[int, frozenset[Right]] = {}
    for number in accounts:
        user = users.get(number)
        if user is None or not user.is_active:
            of_account[number] = frozenset()
        else:
            of_account[number] = frozenset({*everything, _SITE_ADMIN} if user.is_admin else granted.get(number, set()))
    keys = _key_limits({principal.key for principal in principals if principal.key is not None})
    return {principal: _limit_to_key(of_account[principal.account], principal, keys) for principal in principals}


def _limit_to_key(
    held: frozenset[Right], principal: Principal, keys: dict[int, tuple[int | None, frozenset[str] | None]]
) -> frozenset[Right]:
    if principal.key is None:
        return held
    if principal.key not in keys:
        return frozenset()
    environment_id, limit = keys[principal.key]
    return frozenset(
        right
        for right in held
        if (environment_id is None or right[0] == environment_id) and (limit is None or right[1] in limit)
    )


def _key_limits(keys: Collection[int]) -> dict[int, tuple[int | None, frozenset[str] | None]]:
    """The environment that each usable key is pinned to (None: any), and the permissions that it is held to."""
    rows = [
        key
        for key in ApiKey.objects.filter(pk__in=keys, desired="active").select_related("scope")
        if not key.is_expired
    ]
    known = Role.permissions_by_role() if rows else {}
    found = {}
    for key in rows:
        scope = getattr(key, "scope", None)
        name = scope.role if scope else key.role
        found[key.pk] = (scope.environment_id if scope else None, known.get(name, frozenset()) if name else None)
    return found


def subjects_of(accounts: Collection[User], environments: Collection[int] | None = None) -> dict[int, Subject]:
    """The accounts with the member lists' entries that mean them (in these environments; None: in all)."""
    names = names_by_account(accounts)
    kinds = {kind for found in names.values() for kind, _name in found}
    rows = Member.objects.filter(Q(account__in=accounts) | Q(account=None, identity_type__in=kinds))
    rows = rows.exclude(environment__desired__in=("removed", "purged")).select_related("account")
    members = list(rows if environments is None else rows.filter(environment__in=environments))
    known = Role.permissions_by_role()
    return {
        user.pk: Subject(
            user.pk,
            user.is_active,
            user.is_admin,
            tuple(build_match(each, known) for each in members if is_match(each, user, names[user.pk])),
        )
        for user in accounts
    }


def subject_of_key(key: ApiKey) -> Subject:
    """The account of a key, as far as the key lets it; ties elsewhere do not matter to a key of one environment."""
    scope = getattr(key, "scope", None)
    role = scope.role if scope else key.role
    limit = KeyLimit(
        role=role,
        permissions=Role.permissions_of(role) if role else None,
        environment=scope.environment_id if scope else None,
        is_usable=key.desired == "active" and not key.is_expired,
    )
    account = subjects_of([key.account])[key.account_id]
    matches = tuple(match for match in account.matches if limit.environment in (None, match.environment))
    return Subject(account.account, account.is_active, account.is_admin, matches, limit)


def environment_refs_of(subjects: Iterable[Subject]) -> list[EnvironmentRef]:
    """The environments that the holders have something to do with, by name."""
    keys: set[int] = set()
    for subject in subjects:
        pinned = subject.limit.environment if subject.limit else None
        keys |= {pinned} if pinned is not None else {match.environment for match in subject.matches}
    rows = Environment.objects.filter(pk__in=keys).order_by("name", "pk")
    return [EnvironmentRef(row.pk, row.name, row.desired == "active") for row in rows]


def member_accounts_of(environment: int) -> list[User]:
    """The accounts that an environment's member list means, as far as they have been here."""
    wanted = accounts_of_members(Member.objects.filter(environment=environment))
    return list(User.objects.filter(pk__in=wanted, removed=None).order_by("name", "pk"))
