"""`restorableResource` (not in Rancher's v1): what can still be restored in an environment, and `restore` itself."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.kinds import wire_type
from apps.api.wire.resource import Action, Data
from apps.api.wire.roles import OPERATOR_INPUT, READ_ONLY
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.stacks.models import Service, Stack
from apps.stacks.restore import deleted_rows, restorable_until, restore_days, service_restore, stack_restore


class RestorableResource(EmbeddedResource):
    """A deleted stack or service that can be restored."""

    name = "restorableResource"
    roles = READ_ONLY
    own_fields = parse_fields("""
        environmentId   reference[environment] r
        name            string                 r
        removed         date                   r
        removedBy       string                 r
        resourceId      string                 r
        resourceType    string                 r
        restorableUntil date                   r
    """)


class RestoreInputResource(EmbeddedResource):
    """The name under which something is restored; none for its own, or another where that is taken."""

    name = "restoreInput"
    roles = OPERATOR_INPUT
    own_fields = parse_fields("name string c 0..63")


def deleted_resources(caller: ApiCaller, row: Environment) -> dict[str, Any]:
    """The `call` of the environment's link: what can be restored, the newest deletion first."""
    days = restore_days()
    found = deleted_rows(caller.actor, row.pk)
    return {
        "type": "collection",
        "resourceType": "restorableResource",
        "links": {"self": caller.url("deletedresources")},
        "actions": {},
        "data": [_serialize(caller, each, days) for each in found],
    }


def _serialize(caller: ApiCaller, row: Stack | Service, days: int) -> dict[str, Any]:
    is_stack = isinstance(row, Stack)
    key, plural = wire_id("e" if is_stack else "s", row.pk), "environments" if is_stack else "services"
    return {
        "type": "restorableResource",
        "links": {"resource": caller.url(plural, key)},
        "actions": {"restore": f"{caller.url(plural, key)}/?action=restore"},
        "resourceId": key,
        "resourceType": wire_type(row.KIND),
        "environmentId": None if isinstance(row, Stack) else wire_id("e", row.stack_id),
        "name": row.name,
        "removed": row.removed,
        "removedBy": row.removal.get("by") or None,
        "restorableUntil": restorable_until(row, days),
    }


def _restore(caller: ApiCaller, row: Stack | Service, data: Data) -> None:
    name = data.get("name") or ""
    if isinstance(row, Stack):
        stack_restore(row, actor=caller.actor, name=name)
    else:
        service_restore(row, actor=caller.actor, name=name)


RESTORE = Action(_restore, "restoreInput")
