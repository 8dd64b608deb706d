"""`effectiveAccess`, ours: what an account or key may do, by which paths, and what taking one away would change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import QueryDict

from apps.accounts.models import ApiKey, User
from apps.api.wire import shape
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Data, Resource, register
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.environments.reasons import Access, Cut, Holder, Place, Tie, cuts, explain, loses
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors import holder_of_key, holders_of, people_of, places_of


@register
class EffectiveAccess(Resource):
    """The answer of the links `effectiveAccess`; as a collection, of those on an environment's member list.

    Reading it leaves no trace. Outside any environment the collection holds the asker's own.
    """

    name = "effectiveAccess"
    plural = "effectiveAccesses"
    sortable = False
    own = table("""
        accountId    reference[account] r
        isAdmin      boolean            r
        role         string             r
        name         string             r
        environments array[json]        r
        changes      array[json]        r
    """)

    def listed(self, caller: Caller, asked: QueryDict) -> Any:  # noqa: ARG002 - the base's signature
        """The members of the environment, for who chooses them; else oneself."""
        if caller.environment is not None:
            return members_access(caller, caller.environment)
        user = caller.actor.user
        return [access_of_account(caller, user)] if user is not None and caller.actor.api_key is None else []

    def find(self, caller: Caller, key: int | str | None) -> Data | None:
        """That of one account, by the account's number."""
        wanted = wire_id(self.letters, key) if isinstance(key, int) else None
        rows: list[Data] = self.listed(caller, QueryDict())
        return next((each for each in rows if each["id"] == wanted), None)

    def whole(self, caller: Caller, row: Any) -> Data:  # noqa: ARG002 - as above
        """What was told already."""
        return dict(row)


def _answer(**fields: Any) -> Data:
    return {"type": "effectiveAccess", "links": {}, "actions": {}, **fields}


def access_of_account(_caller: Caller, row: User) -> Data:
    """An account's access, environment by environment."""
    return _answer(name=str(row), **_told(holders_of([row])[row.pk]))


def access_of_key(_caller: Caller, row: ApiKey) -> Data:
    """A key's access; one of an environment is told of that environment only."""
    holder = holder_of_key(row)
    return _answer(name=str(row), **{**_told(holder), "role": holder.limit.role if holder.limit else ""})


def access_of_environment(caller: Caller, row: Environment) -> Data:
    """The collection behind an environment's link."""
    return shape.collection(EffectiveAccess(), caller, members_access(caller, row), caller.url("effectiveaccesses"))


def members_access(caller: Caller, row: Environment) -> list[Data]:
    """What everybody on the member list may do here; those who do not choose members are told of themselves."""
    people = people_of(row.pk)
    if "members" not in caller.actor.permissions(row.pk):
        people = [each for each in people if each == caller.actor.user]
    holders = holders_of(people, [row.pk])
    place = Place(row.pk, row.name, row.desired == "active")
    return [
        _answer(name=str(user), **_who(holder), environments=[_place(explain(holder, place))], changes=[])
        for user, holder in ((user, holders[user.pk]) for user in people)
    ]


def _who(holder: Holder) -> Data:
    return {
        "id": wire_id("ea", holder.account),
        "accountId": wire_id("a", holder.account),
        "isAdmin": holder.rules,
    }


def _told(holder: Holder) -> Data:
    places = places_of([holder])
    return {
        **_who(holder),
        "environments": [_place(explain(holder, place)) for place in places],
        "changes": [_change(holder, cut, places) for cut in cuts(holder)],
    }


def _place(access: Access) -> Data:
    """The permissions of one environment with their paths, in the usual order."""
    return {
        "projectId": wire_id("a", access.place.environment),
        "name": access.place.name,
        "refused": access.refused or None,
        "permissions": [
            {"name": name, "text": PERMISSIONS[name], "from": [_path(tie) for tie in ties]}
            for name, ties in access.paths.items()
        ],
        "beyondLimit": [name for name in PERMISSIONS if name in access.beyond_limit],
    }


def _path(tie: Tie | None) -> Data:
    if tie is None:
        return {"kind": "admin"}
    kind = "group" if tie.is_group else "member"
    return {"kind": kind, "role": tie.role, "externalId": tie.identity, "externalIdType": tie.kind, "name": tie.shown}


def _change(holder: Holder, cut: Cut, places: Sequence[Place]) -> Data:
    gone = loses(holder, cut, places)
    return {
        "without": {"kind": cut.kind, "name": cut.name},
        "loses": [
            {"projectId": wire_id("a", key), "permissions": [each for each in PERMISSIONS if each in names]}
            for key, names in gone.items()
        ],
    }
