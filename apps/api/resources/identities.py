"""`identity`: a person or group under the id that a login provider knows it by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import QueryDict

from apps.accounts.claims import IdentityClaim
from apps.accounts.identity_kinds import LOCAL_IDENTITY_KIND, group_kinds
from apps.accounts.models import Identity, User
from apps.accounts.providers.known_identities import account_claim
from apps.accounts.providers.search import identities_search, identity_find
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Resource
from apps.api.wire.roles import READ_ONLY
from apps.core.ids import wire_id
from apps.environments.models import Member


def account_identity(user: User) -> dict[str, Any]:
    """An account's own identity."""
    return serialize_claim(account_claim(user))


def serialize_claim(claim: IdentityClaim) -> dict[str, Any]:
    """An identity inside another resource."""
    return {
        "type": "identity",
        "id": wire_id("i", claim_key(claim)),
        "externalId": claim.wire_id,
        "externalIdType": claim.kind,
        "login": claim.login,
        "name": claim.name or claim.login,
    }


def claim_key(claim: IdentityClaim) -> str:
    """`rancher_id:1a7`, `openldap_group:cn=crew,dc=x`."""
    return f"{claim.kind}:{claim.wire_id}"


def account_claims(user: User) -> list[IdentityClaim]:
    """The identities under which member lists may name this account: itself, its person at a provider, its groups."""
    rows = Identity.objects.filter(user=user)
    return [
        account_claim(user),
        *(IdentityClaim(row.kind, row.external_id, row.login, row.name, row.dn) for row in rows),
    ]


class IdentityResource(Resource):
    """A person or group as a member list names it."""

    name = "identity"
    plural = "identities"
    roles = READ_ONLY
    sortable = False
    own_fields = parse_fields("""
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
        "name": lambda context: context.row.name or context.row.login,
        "user": lambda context: context.row.kind not in group_kinds(),
    }

    def key_of(self, row: IdentityClaim) -> str:
        """Kind and external id."""
        return claim_key(row)

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[IdentityClaim]:
        """The caller's own; with `name` those of that name, with `all` those whose name contains the text.

        A provider that does not answer is named in the collection's `messages`.
        """
        name, part = query_params.get("name", ""), query_params.get("all", "")
        if not (name or part):
            return account_claims(caller.actor.user) if caller.actor.user else []
        found = identities_search(caller.actor, name or part, exact=bool(name))
        caller.messages.extend(found.errors)
        return _known_to(caller, found.claims)

    def find(self, caller: ApiCaller, key: int | str | None) -> IdentityClaim | None:
        """The identity with an id such as `1i!rancher_id:1a7`."""
        kind, _colon, external = str(key).partition(":")
        found = identity_find(kind, external)
        return next(iter(_known_to(caller, [found] if found else [])), None)


def _known_to(caller: ApiCaller, claims: Iterable[IdentityClaim]) -> list[IdentityClaim]:
    """Without the accounts that the caller has no business with.

    Who chooses members somewhere may find anybody; everybody else only the people of their own environments: a key
    that may read must not be a way to list all accounts.
    """
    actor = caller.actor
    if actor.user is None:
        return []
    if actor.is_admin or actor.environments("members"):
        return list(claims)
    members = Member.objects.filter(environment__in=caller.environments(), account__isnull=False)
    known = {wire_id("a", pk) for pk in (actor.user.pk, *members.values_list("account", flat=True))}
    return [each for each in claims if each.kind != LOCAL_IDENTITY_KIND or each.wire_id in known]
