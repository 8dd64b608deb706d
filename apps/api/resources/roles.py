"""`role` (not in Rancher's v1): the roles that administrators made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.input import pick
from apps.api.wire.resource import (
    Action,
    Data,
    Resource,
)
from apps.api.wire.roles import TypeRoles
from apps.environments.models import Role
from apps.environments.selectors.roles import RoleUsage, role_usage
from apps.environments.services import role_create, role_remove, role_update


def _replace(caller: ApiCaller, row: Role, data: Data) -> Data:
    role_remove(row, actor=caller.actor, replacement=data["replacement"])
    return {"type": "role", "links": {}, "actions": {}, "name": row.name, "replacement": data["replacement"]}


class ReplaceRoleInputResource(EmbeddedResource):
    """The role that members and keys get instead of the deleted one."""

    name = "replaceRoleInput"
    roles = TypeRoles(user="r", admin="cr", environment={"view": "r"})
    own_fields = parse_fields("""
        replacement string c * 1..32
    """)


class RoleResource(Resource):
    """A named set of permissions; a change takes effect at once for everybody who has the role."""

    name = "role"
    model = Role
    roles = TypeRoles(user="r", admin="crud", environment={"view": "r"})
    own_fields = parse_fields("""
        name        string        c  * <name 2..32
        label       string        cu <label 0..64
        description string        cu <description 0..255
        permissions array[string] cu ~
        memberCount int           r
        keyCount    int           r
        ruleCount   int           r
    """)
    custom_actions = {"replace": Action(_replace, "replaceRoleInput", permission="admin")}
    computed = {
        "permissions": lambda context: context.row.permissions,
        "memberCount": lambda context: context.extra.members,
        "keyCount": lambda context: context.extra.keys,
        "ruleCount": lambda context: context.extra.rules,
    }

    def rows(self, caller: ApiCaller) -> Any:  # noqa: ARG002 - the same for everybody
        """All custom roles."""
        return Role.objects.all()

    def load_extras(self, caller: ApiCaller, rows: Sequence[Any]) -> Mapping[Any, RoleUsage]:  # noqa: ARG002 - as above
        """The number of members, keys and trust rules of each."""
        found = role_usage([row.name for row in rows])
        return {row.pk: found[row.name] for row in rows}

    def create(self, caller: ApiCaller, data: Data) -> Role:
        """Create a role."""
        more = pick(data, label="label", description="description")
        return role_create(actor=caller.actor, name=data["name"], permissions=data.get("permissions", []), **more)

    def update(self, caller: ApiCaller, row: Role, data: Data) -> None:
        """Change permissions, label or description."""
        role_update(row, actor=caller.actor, **data)

    def act(self, caller: ApiCaller, row: Role, action: str) -> None:  # noqa: ARG002 - the only action is remove
        """Delete it; a role in use takes the action `replace`."""
        role_remove(row, actor=caller.actor)
