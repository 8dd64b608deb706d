"""From a request to its caller: the context that path, headers, query and key name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.api.wire.caller import Caller
from apps.core.errors import Forbidden, NotFound, Unauthorized
from apps.core.ids import row_number, wire_id
from apps.environments.access import Actor
from apps.environments.models import Environment, KeyScope, Member


def enter(actor: Actor, path: Sequence[str], said: Mapping[str, Any], base: str) -> tuple[Caller, list[str]]:
    """The caller behind a request, and the path inside its context.

    `said` holds what headers and query say: `project`, `key`. Raises `NotFound` for a foreign environment,
    `Forbidden` for one's own that is not active.
    """
    inside = len(path) > 2 and path[0].lower() in {"project", "projects"}
    if actor.user is None:
        if inside:
            raise Unauthorized("Unauthorized")
        return Caller(actor, base=base), list(path)
    environment = _environment(actor, path[1] if inside else said.get("project"), said.get("key"))
    role = "admin" if actor.is_admin and environment is None else "user"
    held = None if environment is None else actor.permissions(environment.pk)
    caller = Caller(actor, role, environment, held, base)
    if inside and environment is not None:
        caller.prefix = f"/v1/projects/{wire_id('a', environment.pk)}"
    return caller, list(path[2:] if inside else path)


def _environment(actor: Actor, project: str | None, key: str | None) -> Environment | None:
    """The environment asked for by id or by one of its keys; an environment key has its own and no other."""
    wanted = _wanted(project, key)
    if actor.scope is not None:
        if wanted not in {None, actor.scope.environment_id}:
            raise NotFound("There is no such environment.")
        wanted = actor.scope.environment_id
    if wanted is None:
        return None
    row = Environment.objects.filter(pk=wanted).exclude(desired__in=("removed", "purged")).first()
    if row is None:
        raise NotFound("There is no such environment.")
    return _open(actor, row)


def _wanted(project: str | None, key: str | None) -> int | None:
    if project:
        return row_number(project) or 0
    if key:
        found = KeyScope.objects.filter(key__public_value=key).values_list("environment_id", flat=True).first()
        return found or 0
    return None


def _open(actor: Actor, row: Environment) -> Environment:
    held = actor.permissions(row.pk)
    if row.desired != "active" and (held or Member.objects.filter(environment=row, account=actor.user).exists()):
        raise Forbidden(f"The environment {row.name} is not active; an owner can activate it.")
    if not held:
        raise NotFound("There is no such environment.")
    return row
