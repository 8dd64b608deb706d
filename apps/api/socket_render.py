"""Rows for those who watch: the v1 resource of a changed row, as its watcher's role sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.api import resources  # noqa: F401 - puts the types on the register
from apps.api.wire.context import ApiCaller
from apps.api.wire.formats import format_dates
from apps.api.wire.kinds import wire_type
from apps.api.wire.resource import find_resource
from apps.api.wire.serialize import serialize_row
from apps.environments.access import environment_of
from apps.environments.actor import Actor


def render(kind: str, key: int, actor: Actor, base: str) -> Mapping[str, Any] | None:
    """The row as the actor sees it, with links below `base`; None when it is not for them."""
    resource = find_resource(wire_type(kind))
    role = "admin" if actor.is_admin else "user"
    if resource is None:
        return None
    row = resource.find(ApiCaller(actor, role, base=base), key)
    if row is None:
        return None
    environment_id = environment_of(row)
    permissions = actor.permissions(environment_id) if environment_id else frozenset()
    caller = ApiCaller(actor, "user" if permissions else role, permissions=permissions or None, base=base)
    if not resource.may(caller, "r"):
        return None
    found: Mapping[str, Any] = format_dates(serialize_row(resource, caller, row))
    return found
