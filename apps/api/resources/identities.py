"""`identity`: who somebody is to the directory that knows them."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.accounts.models import User
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Resource, register
from apps.core.ids import row_number, wire_id

_KIND = "rancher_id"
MOST = 50


def identity_of(user: User) -> dict[str, Any]:
    """An account's own identity."""
    external = wire_id("a", user.pk)
    return {
        "type": "identity",
        "id": wire_id("i", f"{_KIND}:{external}"),
        "externalId": external,
        "externalIdType": _KIND,
        "login": user.login,
        "name": user.name or user.login,
    }


@register
class Identity(Resource):
    """An account as a member list names it."""

    name = "identity"
    plural = "identities"
    sortable = False
    own = table("""
        externalId     string             r
        externalIdType string             r
        login          string             r <login
        name           string             r <name
        profilePicture string             r
        profileUrl     string             r
        projectId      reference[project] r
        role           string             r
        all            string             r
        user           boolean            r
    """)
    computed = {
        "externalId": lambda seen: wire_id("a", seen.row.pk),
        "externalIdType": lambda _seen: _KIND,
        "user": lambda _seen: True,
    }

    def key_of(self, row: Any) -> str:
        """`rancher_id:1a7`."""
        return f"{_KIND}:{wire_id('a', row.pk)}"

    def listed(self, caller: Caller, asked: QueryDict) -> Any:
        """The caller's own; with `name` or `all` the accounts of that name, or with that in their name."""
        name, part = asked.get("name", ""), asked.get("all", "")
        if not (name or part):
            return [caller.actor.user] if caller.actor.user else []
        if "\0" in name + part:
            return []
        rows = User.objects.filter(removed=None, desired="active")
        if name:
            return list((rows.filter(login__iexact=name) | rows.filter(name__iexact=name))[:MOST])
        return list((rows.filter(login__icontains=part) | rows.filter(name__icontains=part))[:MOST])

    def find(self, caller: Caller, key: int | str | None) -> Any:  # noqa: ARG002 - members may be anybody
        """The account behind `1i!rancher_id:1a7`."""
        kind, _colon, external = str(key).partition(":")
        if kind != _KIND:
            return None
        return User.objects.filter(pk=row_number(external) or 0, removed=None).first()
