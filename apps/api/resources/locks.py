"""`lock` (not in Rancher's v1): who locked a stack or service, and the actions that lock and unlock it."""

from __future__ import annotations

from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.kinds import wire_type
from apps.api.wire.resource import Action, Data, RowContext
from apps.api.wire.roles import READ_ONLY, TypeRoles
from apps.core.ids import wire_id
from apps.environments.access import Verdict
from apps.stacks.locks import MAX_REASON, PERMISSION, has_own_lock, lock_of, lock_remove, lock_set
from apps.stacks.models import Service, Stack


class LockResource(EmbeddedResource):
    """A lock: who, since when and why, and whether it is the row's own or its stack's."""

    name = "lock"
    roles = READ_ONLY
    own_fields = parse_fields("""
        accountId    reference[account] r
        created      date               r
        lockedBy     string             r
        reason       string             r
        resourceId   string             r
        resourceType string             r
    """)


class LockInputResource(EmbeddedResource):
    """Why something is locked."""

    name = "lockInput"
    roles = TypeRoles(user="r", admin="r", environment={"view": "r", PERMISSION: "c"})
    own_fields = parse_fields(f"reason string c 0..{MAX_REASON}")


def serialize_lock(context: RowContext) -> dict[str, Any] | None:
    """The lock that covers a row; None while there is none."""
    lock = lock_of(context.caller.actor, context.row)
    if lock is None:
        return None
    kind, letter = (Stack.KIND, "e") if lock.stack is not None else (Service.KIND, "s")
    return {
        "type": "lock",
        "accountId": wire_id("a", lock.account_id) if lock.account_id else None,
        "created": lock.created,
        "lockedBy": lock.account_name,
        "reason": lock.reason,
        "resourceId": wire_id(letter, lock.target.pk),
        "resourceType": wire_type(kind),
    }


def with_lock_state(caller: ApiCaller, row: Stack | Service, action: str, found: Verdict) -> Verdict:
    """The verdict on an action, of which locking is possible without a lock only, and unlocking with one."""
    if not found or action not in {"lock", "unlock"}:
        return found
    has_lock = has_own_lock(caller.actor, row)
    if has_lock is (action == "unlock") and not (action == "lock" and row.removal_requested):
        return found
    if has_lock:
        return Verdict(allowed=False, reason="It is locked already.")
    if action == "unlock":
        return Verdict(allowed=False, reason="There is no lock of its own to take.")
    return Verdict(allowed=False, reason="It is deleted, or about to be: undo that or restore it first.")


def _lock(caller: ApiCaller, row: Stack | Service, data: Data) -> None:
    lock_set(row, data.get("reason") or "", actor=caller.actor)


def _unlock(caller: ApiCaller, row: Stack | Service, _data: Data) -> None:
    lock_remove(row, actor=caller.actor)


LOCK = Action(_lock, "lockInput", permission=PERMISSION)
UNLOCK = Action(_unlock, permission=PERMISSION)
