"""Who is meant by the names on member lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db.models import Q

from apps.accounts.backends.names import names_known
from apps.accounts.models import Identity, User
from apps.accounts.spec import GROUP_KINDS, IDENTITY_KINDS, Claim, names_of, plain_dn
from apps.environments.models import Member


def members_naming(user: User) -> list[Member]:
    """The entries of member lists that mean this account: by its number, its person or one of its groups.

    A person's entry that already means another account stays that one's: a directory may use a DN again.
    """
    names = {pair for identity in user.identities.all() for pair in names_of(identity.kind, identity)}
    others = Member.objects.filter(account=None, identity_type__in={kind for kind, _name in names})
    found = [member for member in others if (member.identity_type, plain_dn(member.identity)) in names]
    return [*Member.objects.filter(account=user), *found]


def accounts_of(members: Iterable[Member]) -> set[int]:
    """The accounts that these entries mean, as far as anybody of them has been here."""
    listed = list(members)
    wanted = {(each.identity_type, plain_dn(each.identity)) for each in listed if each.identity_type in GROUP_KINDS}
    ids = {name for _kind, name in wanted}
    groups = Identity.objects.filter(Q(external_id__in=ids) | Q(dn__in=ids)) if wanted else Identity.objects.none()
    through_groups = {each.user_id for each in groups if names_of(each.kind, each) & wanted}
    return {each.account_id for each in listed if each.account_id} | through_groups


def person_named(kind: str, name: str) -> User | None:
    """The account of a log-in provider's person, by lasting id or DN, if it has been here."""
    if kind in GROUP_KINDS:
        return None
    wanted = plain_dn(name)
    return User.objects.filter(
        Q(identities__external_id=wanted) | Q(identities__dn=wanted), identities__kind=kind
    ).first()


def is_member(names: set[tuple[str, str]], user: User | None) -> bool:
    """Whether one of these (kind, id) pairs, or the account, is on the member list of an environment that is there."""
    living = Member.objects.exclude(environment__desired__in=("removed", "purged"))
    if user is not None and living.filter(account=user).exists():
        return True
    listed = living.filter(account=None, identity_type__in=IDENTITY_KINDS).values_list("identity_type", "identity")
    return any((kind, plain_dn(name)) in names for kind, name in listed)


def titles_of(members: Iterable[Member]) -> dict[int, str]:
    """What each entry of a member list is called: the account, else the person or group as far as it is known."""
    listed = list(members)
    known = names_known([(each.identity_type, each.identity) for each in listed if each.account_id is None])
    return {each.pk: str(each.account) if each.account_id else _title(each, known) for each in listed}


def _title(member: Member, known: Mapping[tuple[str, str], Claim]) -> str:
    claim = known.get((member.identity_type, plain_dn(member.identity)))
    return (claim.name or claim.login if claim else "") or member.identity
