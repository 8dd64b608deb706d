"""Rows for WebSockets: the resource of a changed row, as the subscriber's role sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.api import resources, v2beta  # noqa: F401 - registers the types
from apps.api.wire.context import ApiCaller
from apps.api.wire.dialect import DIALECTS
from apps.api.wire.formats import format_dates
from apps.api.wire.kinds import wire_type
from apps.api.wire.resource import counterpart
from apps.api.wire.serialize import serialize_row
from apps.environments.access import environment_of
from apps.environments.actor import Actor


def render(kind: str, key: int, actor: Actor, base: str, dialect: str) -> Mapping[str, Any] | None:
    """The row as the actor sees it in that dialect, with links below `base`; None when the actor may not see it."""
    spoken = DIALECTS[dialect]
    resource = counterpart(wire_type(kind), spoken)
    role = "admin" if actor.is_admin else "user"
    if resource is None:
        return None
    row = resource.find(ApiCaller(actor, role, base=base, prefix=spoken.root, dialect=spoken), key)
    if row is None:
        return None
    environment_id = environment_of(row)
    permissions = actor.permissions(environment_id) if environment_id else frozenset()
    role = "user" if permissions else role
    caller = ApiCaller(actor, role, permissions=permissions or None, base=base, prefix=spoken.root, dialect=spoken)
    if not resource.may(caller, "r"):
        return None
    rendered: Mapping[str, Any] = format_dates(serialize_row(resource, caller, row))
    return rendered
