"""The names of people and groups: of accounts here, of those who logged in, and of those that a search found."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from apps.accounts.claims import IdentityClaim, normalize_dn
from apps.accounts.identity_kinds import LOCAL_IDENTITY_KIND
from apps.accounts.models import Identity, KnownIdentity, User
from apps.core.ids import row_number, wire_id


def account_claim(user: User) -> IdentityClaim:
    """An account as an identity."""
    return IdentityClaim(LOCAL_IDENTITY_KIND, wire_id("a", user.pk), user.login, user.name or user.login)


def known_identities(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], IdentityClaim]:
    """What is known of these (kind, id or DN) pairs, in three queries at most, without asking a provider.

    The answer's keys are the pairs with their ids as `normalize_dn` writes them.
    """
    wanted = {(kind, normalize_dn(name)) for kind, name in pairs}
    ids = {name for _kind, name in wanted}
    numbers = {row_number(name) or 0 for kind, name in wanted if kind == LOCAL_IDENTITY_KIND}
    accounts = User.objects.filter(pk__in=numbers) if numbers else ()
    found = {(LOCAL_IDENTITY_KIND, claim.external_id): claim for claim in map(account_claim, accounts)}
    for table in (KnownIdentity, Identity) if ids else ():
        for row in table.objects.filter(Q(external_id__in=ids) | Q(dn__in=ids)):
            claim = IdentityClaim(row.kind, row.external_id, row.login, row.name, row.dn)
            found.update({key: claim for key in ((row.kind, row.external_id), (row.kind, row.dn)) if key in wanted})
    return found


def save_known_identities(claims: Iterable[IdentityClaim]) -> None:
    """Keep the names of these, so that lists can show people and groups who never logged in."""
    rows = {
        (each.kind, each.external_id): KnownIdentity(
            kind=each.kind,
            external_id=each.external_id[:512],
            login=each.login[:255],
            name=each.name[:255],
            dn=normalize_dn(each.dn)[:1024],
        )
        for each in claims
    }
    KnownIdentity.objects.bulk_create(
        rows.values(),
        update_conflicts=True,
        unique_fields=["kind", "external_id"],
        update_fields=["login", "name", "dn"],
    )
