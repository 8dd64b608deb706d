"""Rows for those who watch: the v1 resource of a changed row, as its watcher's role sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.api import resources  # noqa: F401 - puts the types on the register
from apps.api.wire import shape
from apps.api.wire.caller import Caller
from apps.api.wire.formats import dated
from apps.api.wire.kinds import named
from apps.environments.access import Actor, environment_of


def render(kind: str, key: int, actor: Actor, base: str) -> Mapping[str, Any] | None:
    """The row as the actor sees it, with links below `base`; None when it is not for them."""
    resource = named(kind)
    role = "admin" if actor.is_admin else "user"
    if resource is None:
        return None
    row = resource.find(Caller(actor, role, base=base), key)
    if row is None:
        return None
    place = environment_of(row)
    held = actor.permissions(place) if place else frozenset()
    caller = Caller(actor, "user" if held else role, held=held or None, base=base)
    if not resource.may(caller, "r"):
        return None
    found: Mapping[str, Any] = dated(shape.one(resource, caller, row))
    return found
