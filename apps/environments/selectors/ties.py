"""The entries of member lists as what they mean to an account."""

from __future__ import annotations

from collections.abc import Collection

from apps.accounts.models import Identity, User
from apps.accounts.spec import GROUP_KINDS, names_of, plain_dn
from apps.environments.models import Member
from apps.environments.reasons import Tie

Names = set[tuple[str, str]]


def names_by_account(accounts: Collection[User]) -> dict[int, Names]:
    """The (kind, id) pairs by which member lists may name each account, in one query."""
    found: dict[int, Names] = {user.pk: set() for user in accounts}
    for identity in Identity.objects.filter(user__in=accounts):
        found[identity.user_id] |= names_of(identity.kind, identity)
    return found


def means(member: Member, user: User, names: Names) -> bool:
    """Whether the entry means the account, by itself or by one of its `names`."""
    if member.account_id is not None:
        return member.account_id == user.pk
    return (member.identity_type, plain_dn(member.identity)) in names


def tie_of(member: Member, known: dict[str, frozenset[str]]) -> Tie:
    """An entry as `reasons` takes it; `known` are the permissions of every role."""
    return Tie(
        member=member.pk,
        environment=member.environment_id,
        role=member.role,
        permissions=known.get(member.role, frozenset()),
        kind=member.identity_type,
        identity=plain_dn(member.identity),
        shown=str(member.account or member.identity),
        is_group=member.identity_type in GROUP_KINDS,
    )
