"""Who belongs to an environment: member lists and the accounts that their entries match."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from django.db.models import Q

from apps.accounts.claims import IdentityClaim, identity_keys, normalize_dn
from apps.accounts.identity_kinds import group_kinds, provider_identity_kinds
from apps.accounts.models import Identity, User
from apps.accounts.providers.known_identities import known_identities
from apps.environments.models import Member
from apps.environments.reasons import MembershipMatch


def members_of(environment_ids: Iterable[int]) -> dict[int, list[Member]]:
    """The members of several environments in one query."""
    found: dict[int, list[Member]] = {key: [] for key in environment_ids}
    for member in Member.objects.filter(environment__in=list(found)).select_related("account"):
        found[member.environment_id].append(member)
    return found


def members_matching(user: User) -> list[Member]:
    """The entries of member lists that match this account: by its number, its person or one of its groups.

    A person's entry that already matches another account stays with it: a directory may reuse a DN.
    """
    names = {pair for identity in user.identities.all() for pair in identity_keys(identity.kind, identity)}
    others = Member.objects.filter(account=None, identity_type__in={kind for kind, _name in names})
    found = [member for member in others if (member.identity_type, normalize_dn(member.identity)) in names]
    return [*Member.objects.filter(account=user), *found]


def accounts_of_members(members: Iterable[Member]) -> set[int]:
    """The accounts that match these entries, as far as they have ever logged in."""
    listed = list(members)
    wanted = {
        (each.identity_type, normalize_dn(each.identity)) for each in listed if each.identity_type in group_kinds()
    }
    ids = {name for _kind, name in wanted}
    groups = Identity.objects.filter(Q(external_id__in=ids) | Q(dn__in=ids)) if wanted else Identity.objects.none()
    through_groups = {each.user_id for each in groups if identity_keys(each.kind, each) & wanted}
    return {each.account_id for each in listed if each.account_id} | through_groups


def find_person(kind: str, name: str) -> User | None:
    """The account of a log-in provider's person, by permanent id or DN, if it has ever logged in."""
    if kind in group_kinds():
        return None
    wanted = normalize_dn(name)
    return User.objects.filter(
        Q(identities__external_id=wanted) | Q(identities__dn=wanted), identities__kind=kind
    ).first()


def is_member(names: set[tuple[str, str]], user: User | None) -> bool:
    """Whether one of these (kind, id) pairs, or the account, is on a member list, removed environments aside."""
    living = Member.objects.exclude(environment__desired__in=("removed", "purged"))
    if user is not None and living.filter(account=user).exists():
        return True
    listed = living.filter(account=None, identity_type__in=provider_identity_kinds()).values_list(
        "identity_type", "identity"
    )
    return any((kind, normalize_dn(name)) in names for kind, name in listed)


def display_names_of(members: Iterable[Member]) -> dict[int, str]:
    """The display name of each entry of a member list: the account's, else the person's or group's if it is known."""
    listed = list(members)
    known = known_identities([(each.identity_type, each.identity) for each in listed if each.account_id is None])
    return {each.pk: str(each.account) if each.account_id else _display_name(each, known) for each in listed}


def _display_name(member: Member, known: Mapping[tuple[str, str], IdentityClaim]) -> str:
    claim = known.get((member.identity_type, normalize_dn(member.identity)))
    return (claim.name or claim.login if claim else "") or member.identity


IdentityNames = set[tuple[str, str]]


def names_by_account(accounts: Collection[User]) -> dict[int, IdentityNames]:
    """The (kind, id) pairs by which member lists may name each account, in one query."""
    found: dict[int, IdentityNames] = {user.pk: set() for user in accounts}
    for identity in Identity.objects.filter(user__in=accounts):
        found[identity.user_id] |= identity_keys(identity.kind, identity)
    return found


def is_match(member: Member, user: User, names: IdentityNames) -> bool:
    """Whether the entry matches the account, by itself or by one of its `names`."""
    if member.account_id is not None:
        return member.account_id == user.pk
    return (member.identity_type, normalize_dn(member.identity)) in names


def build_match(member: Member, known: dict[str, frozenset[str]]) -> MembershipMatch:
    """An entry as `reasons` takes it; `known` are the permissions of every role."""
    return MembershipMatch(
        member=member.pk,
        environment=member.environment_id,
        role=member.role,
        permissions=known.get(member.role, frozenset()),
        kind=member.identity_type,
        identity=normalize_dn(member.identity),
        display_name=str(member.account or member.identity),
        is_group=member.identity_type in group_kinds(),
    )
