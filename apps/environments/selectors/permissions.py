"""What accounts and keys may do where, for many at once and in a constant number of queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

from django.db.models import Q, QuerySet

from apps.accounts.models import ApiKey, User
from apps.environments.actor import Actor
from apps.environments.evaluator import Decision, EnvironmentRef, Holder
from apps.environments.grants import Principal, decide, limit_of, load_holders
from apps.environments.models import Environment, Member, Role
from apps.environments.reasons import Subject
from apps.environments.selectors.members import accounts_of_members, build_match, is_match, names_by_account


def environments_of(actor: Actor, *, everything: bool = False) -> QuerySet[Environment]:
    """The environments the actor is a member of, or all of them for an admin that asks for `everything`."""
    keys = actor.environments("view", everything=everything)
    return Environment.objects.filter(pk__in=keys)


def environments_by_id(keys: Iterable[int]) -> list[Environment]:
    """The environments with these numbers, which the caller has checked that the actor may see."""
    return list(Environment.objects.filter(pk__in=list(keys)).order_by("pk"))


Right = tuple[int | None, str]
Rights = dict[Principal, frozenset[Right]]
_SITE_ADMIN: Right = (None, "admin")


def rights_of(principals: Collection[Principal], environments: Collection[int]) -> Rights:
    """What each may do where: pairs of environment and permission; `(None, "admin")` is the whole installation."""
    holders = load_holders(principals)
    decisions = decide(holders, environments)
    return {each: frozenset(_rights(holder, decisions[each])) for each, holder in holders.items()}


def _rights(holder: Holder, decisions: Mapping[int, Decision]) -> Iterator[Right]:
    if holder.is_unrestricted_admin:
        yield _SITE_ADMIN
    for environment, decision in decisions.items():
        for name in decision.held:
            yield environment, name


def subjects_of(accounts: Collection[User], environments: Collection[int] | None = None) -> dict[int, Subject]:
    """The accounts with the member lists' entries that match them (in these environments; None: in all)."""
    names = names_by_account(accounts)
    kinds = {kind for found in names.values() for kind, _name in found}
    rows = Member.objects.filter(Q(account__in=accounts) | Q(account=None, identity_type__in=kinds))
    rows = rows.exclude(environment__desired__in=("removed", "purged")).select_related("account")
    members = list(rows if environments is None else rows.filter(environment__in=environments))
    known = Role.permissions_by_role()
    return {
        user.pk: Subject(
            user.pk,
            is_active=user.is_active,
            is_admin=user.is_admin,
            matches=tuple(build_match(each, known) for each in members if is_match(each, user, names[user.pk])),
        )
        for user in accounts
    }


def subject_of_key(key: ApiKey) -> Subject:
    """The account of a key, limited by the key; entries elsewhere do not matter to a key of one environment."""
    limit = limit_of(key, getattr(key, "scope", None))
    account = subjects_of([key.account])[key.account_id]
    matches = tuple(match for match in account.matches if limit.environment in (None, match.environment))
    return replace(account, matches=matches, limit=limit)


def environment_refs_of(subjects: Iterable[Subject]) -> list[EnvironmentRef]:
    """The environments that the subjects have something to do with, by name."""
    keys: set[int] = set()
    for subject in subjects:
        pinned = subject.limit.environment if subject.limit else None
        keys |= {pinned} if pinned is not None else {match.environment for match in subject.matches}
    rows = Environment.objects.filter(pk__in=keys).order_by("name", "pk")
    return [EnvironmentRef(row.pk, row.name, row.desired == "active") for row in rows]


def member_accounts_of(environment: int) -> list[User]:
    """The accounts that match an environment's member list, as far as they have ever logged in."""
    wanted = accounts_of_members(Member.objects.filter(environment=environment))
    return list(User.objects.filter(pk__in=wanted, removed=None).order_by("name", "pk"))
