"""Accounts and keys as `reasons` explains them, read in a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db.models import Q

from apps.accounts.models import ApiKey, User
from apps.environments.models import Environment, Member, Role
from apps.environments.reasons import Holder, Limit, Place
from apps.environments.selectors.identities import accounts_of
from apps.environments.selectors.ties import means, names_by_account, tie_of


def holders_of(accounts: Collection[User], environments: Collection[int] | None = None) -> dict[int, Holder]:
    """The accounts with the member lists' entries that mean them (in these environments; None: in all)."""
    names = names_by_account(accounts)
    kinds = {kind for found in names.values() for kind, _name in found}
    rows = Member.objects.filter(Q(account__in=accounts) | Q(account=None, identity_type__in=kinds))
    rows = rows.exclude(environment__desired__in=("removed", "purged")).select_related("account")
    members = list(rows if environments is None else rows.filter(environment__in=environments))
    known = Role.every()
    return {
        user.pk: Holder(
            user.pk,
            user.is_active,
            user.is_admin,
            tuple(tie_of(each, known) for each in members if means(each, user, names[user.pk])),
        )
        for user in accounts
    }


def holder_of_key(key: ApiKey) -> Holder:
    """The account of a key, as far as the key lets it; ties elsewhere do not matter to a key of one environment."""
    scope = getattr(key, "scope", None)
    role = scope.role if scope else key.role
    limit = Limit(
        role=role,
        permissions=Role.permissions_of(role) if role else None,
        environment=scope.environment_id if scope else None,
        is_usable=key.desired == "active" and not key.is_expired,
    )
    account = holders_of([key.account])[key.account_id]
    ties = tuple(tie for tie in account.ties if limit.environment in (None, tie.environment))
    return Holder(account.account, account.is_active, account.is_admin, ties, limit)


def places_of(holders: Iterable[Holder]) -> list[Place]:
    """The environments that the holders have something to do with, by name."""
    keys: set[int] = set()
    for holder in holders:
        pinned = holder.limit.environment if holder.limit else None
        keys |= {pinned} if pinned is not None else {tie.environment for tie in holder.ties}
    rows = Environment.objects.filter(pk__in=keys).order_by("name", "pk")
    return [Place(row.pk, row.name, row.desired == "active") for row in rows]


def people_of(environment: int) -> list[User]:
    """The accounts that an environment's member list means, as far as they have been here."""
    wanted = accounts_of(Member.objects.filter(environment=environment))
    return list(User.objects.filter(pk__in=wanted, removed=None).order_by("name", "pk"))
