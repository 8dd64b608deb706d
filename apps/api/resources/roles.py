"""`role`, ours: the built-in roles and those that administrators made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.wire.caller import Caller
from apps.api.wire.entry import pick
from apps.api.wire.fields import table
from apps.api.wire.kinds import Action, Data, Resource, register
from apps.environments.models import Role
from apps.environments.selectors.usage import Usage, role_usage
from apps.environments.services import role_create, role_remove, role_update


def _replace(caller: Caller, row: Role, data: Data) -> Data:
    role_remove(row, actor=caller.actor, replacement=data["replacement"])
    return {"type": "role", "links": {}, "actions": {}, "name": row.name, "replacement": data["replacement"]}


@register
class ReplaceRoleInput(Resource):
    """Which role members and keys get instead of the one that is deleted."""

    name = "replaceRoleInput"
    listable = False
    own = table("""
        replacement string c * 1..32
    """)


@register
class RoleType(Resource):
    """A set of permissions with a name; what it may do changes at once for everybody who has it."""

    name = "role"
    model = Role
    own = table("""
        name        string        c  * <name 2..32
        label       string        cu <label 0..64
        description string        cu <description 0..255
        permissions array[string] cu ~
        memberCount int           r
        keyCount    int           r
    """)
    verbs = {"replace": Action(_replace, "replaceRoleInput", permission="admin")}
    computed = {
        "permissions": lambda seen: seen.row.permissions,
        "memberCount": lambda seen: seen.extra.members,
        "keyCount": lambda seen: seen.extra.keys,
    }

    def rows(self, caller: Caller) -> Any:  # noqa: ARG002 - they are the same for everybody
        """All of them."""
        return Role.objects.all()

    def extras(self, caller: Caller, rows: Sequence[Any]) -> Mapping[Any, Usage]:  # noqa: ARG002 - as above
        """How many members and keys have each."""
        found = role_usage([row.name for row in rows])
        return {row.pk: found[row.name] for row in rows}

    def create(self, caller: Caller, data: Data) -> Role:
        """A new role."""
        more = pick(data, label="label", description="description")
        return role_create(actor=caller.actor, name=data["name"], permissions=data.get("permissions", []), **more)

    def update(self, caller: Caller, row: Role, data: Data) -> None:
        """Change what it may do or how it is described."""
        role_update(row, actor=caller.actor, **data)

    def act(self, caller: Caller, row: Role, action: str) -> None:  # noqa: ARG002 - there is one
        """Delete it; one that is in use is replaced instead, by the action `replace`."""
        role_remove(row, actor=caller.actor)
