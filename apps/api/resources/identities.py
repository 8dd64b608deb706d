"""`identity`: who somebody, or a group, is to the directory that knows them."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.accounts.backends.names import account_claim
from apps.accounts.backends.search import identities_search, identity_find
from apps.accounts.models import Identity, User
from apps.accounts.spec import GROUP_KINDS, Claim
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Resource, register
from apps.core.ids import wire_id


def identity_of(user: User) -> dict[str, Any]:
    """An account's own identity."""
    return plain(account_claim(user))


def plain(claim: Claim) -> dict[str, Any]:
    """An identity inside another resource."""
    return {
        "type": "identity",
        "id": wire_id("i", key_of(claim)),
        "externalId": claim.wire_id,
        "externalIdType": claim.kind,
        "login": claim.login,
        "name": claim.name or claim.login,
    }


def key_of(claim: Claim) -> str:
    """`rancher_id:1a7`, `openldap_group:cn=crew,dc=x`."""
    return f"{claim.kind}:{claim.wire_id}"


def own_claims(user: User) -> list[Claim]:
    """Everything that member lists may call this account by: itself, its person at a provider, its groups."""
    rows = Identity.objects.filter(user=user)
    return [account_claim(user), *(Claim(row.kind, row.external_id, row.login, row.name, row.dn) for row in rows)]


@register
class IdentityType(Resource):
    """A person or group as a member list names it."""

    name = "identity"
    plural = "identities"
    sortable = False
    own = table("""
        externalId     string             r <wire_id
        externalIdType string             r <kind
        login          string             r <login
        name           string             r
        profilePicture string             r
        profileUrl     string             r
        projectId      reference[project] r
        role           string             r
        all            string             r
        user           boolean            r
    """)
    computed = {
        "name": lambda seen: seen.row.name or seen.row.login,
        "user": lambda seen: seen.row.kind not in GROUP_KINDS,
    }

    def key_of(self, row: Claim) -> str:
        """Kind and id."""
        return key_of(row)

    def listed(self, caller: Caller, asked: QueryDict) -> list[Claim]:
        """The caller's own; with `name` those called that, with `all` those with that in a name.

        A provider that cannot be asked is told in the collection's `messages`.
        """
        name, part = asked.get("name", ""), asked.get("all", "")
        if not (name or part):
            return own_claims(caller.actor.user) if caller.actor.user else []
        found = identities_search(caller.actor, name or part, exact=bool(name))
        caller.notes.extend(found.troubles)
        return list(found.claims)

    def find(self, caller: Caller, key: int | str | None) -> Claim | None:  # noqa: ARG002 - members may be anybody
        """The one behind `1i!rancher_id:1a7`."""
        kind, _colon, external = str(key).partition(":")
        return identity_find(kind, external)
