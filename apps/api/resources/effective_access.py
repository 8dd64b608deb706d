"""`effectiveAccess` (not in Rancher's v1): what an account or key may do, why, and what revocations would change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import QueryDict

from apps.accounts.models import ApiKey, User
from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import Data, Resource
from apps.api.wire.roles import READ_ONLY
from apps.api.wire.serialize import serialize_collection
from apps.core.ids import wire_id
from apps.environments.evaluator import EnvironmentRef
from apps.environments.models import Environment
from apps.environments.reasons import (
    Access,
    MembershipMatch,
    Revocation,
    Subject,
    explain,
    lost_permissions,
    possible_revocations,
)
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors import (
    environment_refs_of,
    member_accounts_of,
    subject_of_key,
    subjects_of,
)


class EffectiveAccessResource(Resource):
    """The body behind the links `effectiveAccess`; as a collection, the access of an environment's members.

    Reading it writes nothing. Outside any environment the collection holds the caller's own.
    """

    name = "effectiveAccess"
    plural = "effectiveAccesses"
    roles = READ_ONLY
    sortable = False
    own_fields = parse_fields("""
        accountId    reference[account] r
        isAdmin      boolean            r
        role         string             r
        name         string             r
        environments array[json]        r
        changes      array[json]        r
    """)

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> Any:  # noqa: ARG002 - the base's signature
        """The environment's members, for callers who may choose them; else the caller."""
        if caller.environment is not None:
            return members_access(caller, caller.environment)
        user = caller.actor.user
        return [access_of_account(caller, user)] if user is not None and caller.actor.api_key is None else []

    def find(self, caller: ApiCaller, key: int | str | None) -> Data | None:
        """The access of one account, by the account's number."""
        wanted = wire_id(self.id_prefix, key) if isinstance(key, int) else None
        rows: list[Data] = self.list_rows(caller, QueryDict())
        return next((each for each in rows if each["id"] == wanted), None)

    def custom_body(self, caller: ApiCaller, row: Any) -> Data:  # noqa: ARG002 - as above
        """The row, which is the body already."""
        return dict(row)


def _access_body(**fields: Any) -> Data:
    return {"type": "effectiveAccess", "links": {}, "actions": {}, **fields}


def access_of_account(_caller: ApiCaller, row: User) -> Data:
    """An account's access, environment by environment."""
    return _access_body(name=str(row), **_describe_holder(subjects_of([row])[row.pk]))


def access_of_key(_caller: ApiCaller, row: ApiKey) -> Data:
    """A key's access; for an environment's key, in that environment only."""
    subject = subject_of_key(row)
    return _access_body(
        name=str(row), **{**_describe_holder(subject), "role": subject.limit.role if subject.limit else ""}
    )


def access_of_environment(caller: ApiCaller, row: Environment) -> Data:
    """The collection behind an environment's link."""
    return serialize_collection(
        EffectiveAccessResource(), caller, members_access(caller, row), caller.url("effectiveaccesses")
    )


def members_access(caller: ApiCaller, row: Environment) -> list[Data]:
    """What each member may do here; callers who may not choose members see only themselves."""
    people = member_accounts_of(row.pk)
    if "members" not in caller.actor.permissions(row.pk):
        people = [each for each in people if each == caller.actor.user]
    subjects = subjects_of(people, [row.pk])
    ref = EnvironmentRef(row.pk, row.name, row.desired == "active")
    return [
        _access_body(
            name=str(user),
            **_holder_fields(subject),
            environments=[_environment_access(explain(subject, ref))],
            changes=[],
        )
        for user, subject in ((user, subjects[user.pk]) for user in people)
    ]


def _holder_fields(subject: Subject) -> Data:
    return {
        "id": wire_id("ea", subject.account),
        "accountId": wire_id("a", subject.account),
        "isAdmin": subject.is_unrestricted_admin,
    }


def _describe_holder(subject: Subject) -> Data:
    refs = environment_refs_of([subject])
    return {
        **_holder_fields(subject),
        "environments": [_environment_access(explain(subject, ref)) for ref in refs],
        "changes": [_revocation_effect(subject, revocation, refs) for revocation in possible_revocations(subject)],
    }


def _environment_access(access: Access) -> Data:
    """The permissions in one environment with the memberships they come from, in the order of `PERMISSIONS`."""
    return {
        "projectId": wire_id("a", access.ref.environment),
        "name": access.ref.name,
        "refused": access.refused or None,
        "permissions": [
            {"name": name, "text": PERMISSIONS[name], "from": [_permission_path(match) for match in matches]}
            for name, matches in access.paths.items()
        ],
        "beyondLimit": [name for name in PERMISSIONS if name in access.beyond_limit],
    }


def _permission_path(match: MembershipMatch | None) -> Data:
    if match is None:
        return {"kind": "admin"}
    kind = "group" if match.is_group else "member"
    return {
        "kind": kind,
        "role": match.role,
        "externalId": match.identity,
        "externalIdType": match.kind,
        "name": match.display_name,
    }


def _revocation_effect(subject: Subject, revocation: Revocation, refs: Sequence[EnvironmentRef]) -> Data:
    lost = lost_permissions(subject, revocation, refs)
    return {
        "without": {"kind": revocation.kind, "name": revocation.name},
        "loses": [
            {"projectId": wire_id("a", key), "permissions": [each for each in PERMISSIONS if each in names]}
            for key, names in lost.items()
        ],
    }
