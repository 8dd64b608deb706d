"""Locks of stacks and services: every change of them that a person asks for is refused, while healing goes on.

A stack's lock covers its services, a service's lock its containers, and neither their parent can be deleted. There are
few locks, so all of them are read in one query, once in an actor's life.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.control.services import record
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid, Locked
from apps.core.events import row_changed
from apps.core.models import Managed
from apps.core.texts import is_storable
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.lock import Lock
from apps.stacks.models import Service, Stack

PERMISSION = "lock"
MAX_REASON = 255
_MEMO = "locks"
Lockable = Stack | Service


@dataclass
class LockIndex:
    """The locks by what they cover: services by key, their containers by spread key, and those inside a parent."""

    of_stacks: dict[int, Lock] = field(default_factory=dict)
    of_services: dict[int, Lock] = field(default_factory=dict)
    of_spread_keys: dict[str, Lock] = field(default_factory=dict)
    inside_stacks: dict[int, Lock] = field(default_factory=dict)
    inside_environments: dict[int, Lock] = field(default_factory=dict)

    def covering(self, row: Managed) -> Lock | None:
        """The lock that covers the row, its own or its parent's."""
        if isinstance(row, Stack):
            return self.of_stacks.get(row.pk)
        if isinstance(row, Service):
            return self.of_services.get(row.pk) or self.of_stacks.get(row.stack_id)
        return self.of_spread_keys.get(getattr(row, "spread_key", ""))

    def preventing(self, action: str, row: Managed) -> Lock | None:
        """The lock because of which the action is refused."""
        if isinstance(row, Environment):
            return self.inside_environments.get(row.pk) if action == "remove" else None
        # All but its name and description: what is done to a stack as a whole, its services would feel.
        is_whole = isinstance(row, Stack) and action != "update"
        return self.covering(row) or (self.inside_stacks.get(row.pk) if is_whole else None)


def lock_index(actor: Actor) -> LockIndex:
    """All locks, as of the actor's first question about one."""
    if _MEMO not in actor.memo:
        actor.memo[_MEMO] = _read_locks()
    found: LockIndex = actor.memo[_MEMO]
    return found


def _read_locks() -> LockIndex:
    index = LockIndex()
    heavy = ("docker_compose", "rancher_compose", "variables")
    rows = Lock.objects.select_related("stack", "service__stack", "account")
    rows = rows.defer(*(f"{path}{name}" for path in ("stack__", "service__stack__") for name in heavy))
    for lock in rows.defer("service__spec", "service__secondary"):
        index.inside_environments[lock.environment_id] = lock
        if lock.stack is not None:
            index.of_stacks[lock.stack.pk] = lock
        if lock.service is not None:
            index.of_services[lock.service.pk] = index.of_spread_keys[str(lock.service.uuid)] = lock
            index.inside_stacks[lock.service.stack_id] = lock
    if index.of_stacks:
        members = Service.all_objects.filter(stack__in=index.of_stacks, removed=None)
        for uuid, stack in members.values_list("uuid", "stack"):
            index.of_spread_keys.setdefault(str(uuid), index.of_stacks[stack])
    return index


def lock_of(actor: Actor, row: Managed) -> Lock | None:
    """The lock that covers a row, for whoever looks at it."""
    return lock_index(actor).covering(row)


def has_own_lock(actor: Actor, row: Lockable) -> bool:
    """Whether the row itself is locked, and not only its stack."""
    index = lock_index(actor)
    return row.pk in (index.of_stacks if isinstance(row, Stack) else index.of_services)


def lock_refusal(actor: Actor, action: str, row: Managed) -> str:
    """Why a lock prevents the action; empty when none does, and for the loop, which keeps healing."""
    is_lockable = isinstance(row, (Stack, Service, Environment)) or bool(getattr(row, "spread_key", ""))
    lock = lock_index(actor).preventing(action, row) if is_lockable and not actor.is_system else None
    return describe_lock(lock) if lock is not None else ""


def describe_lock(lock: Lock) -> str:
    """Who locked what, since when and why, and what to do about it."""
    subject = _("The stack %(name)s") if lock.stack is not None else _("The service %(name)s")
    since = lock.created.strftime("%Y-%m-%d %H:%M UTC")
    who = lock.account_name or _("somebody")
    text = _("%(subject)s has been locked by %(who)s since %(since)s") % {
        "subject": subject % {"name": lock.target.name},
        "who": who,
        "since": since,
    }
    return f"{text}: {lock.reason}. " + _("Unlock it first.") if lock.reason else f"{text}. " + _("Unlock it first.")


def require_unlocked(row: Managed, *, actor: Actor, action: str = "update") -> None:
    """Raise `Locked` where a lock prevents a change that is no action of the row's life cycle."""
    reason = lock_refusal(actor, action, row)
    if reason:
        raise Locked(reason, field="action")


def lock_set(row: Lockable, reason: str, *, actor: Actor) -> Lock:
    """Lock a stack or service. Raises `Invalid` (reason), `Forbidden`, `ActionNotAvailable` if it is locked or goes."""
    _require_permission(row, actor)
    checked = _check_reason(reason)
    if row.removed is not None or row.removal_requested:
        raise ActionNotAvailable(_("%(name)s is being deleted.") % {"name": row.name}, field="action")
    columns: dict[str, Any] = {row.KIND: row, "environment_id": row.environment_id, "reason": checked}
    who = str(actor.user) if actor.user is not None else ""
    try:
        with transaction.atomic():
            lock = Lock.objects.create(account=actor.user, account_name=who[:255], **columns)
            _record(row, "lock", actor, {"reason": checked})
    except IntegrityError:
        raise ActionNotAvailable(_("%(name)s is locked already.") % {"name": row.name}, field="action") from None
    return lock


def lock_remove(row: Lockable, *, actor: Actor) -> None:
    """Unlock a stack or service. Raises `Forbidden`, `ActionNotAvailable` when it has no lock of its own."""
    _require_permission(row, actor)
    with transaction.atomic():
        lock = Lock.objects.filter(**{row.KIND: row.pk}).select_related("stack", "service").first()
        if lock is None:
            raise ActionNotAvailable(_("%(name)s has no lock of its own.") % {"name": row.name}, field="action")
        lock.delete()
        _record(row, "unlock", actor, {"reason": lock.reason})


def _check_reason(reason: Any) -> str:
    if not isinstance(reason, str):
        raise Invalid("reason", "InvalidFormat", "reason is a text.")
    if len(reason.strip()) > MAX_REASON:
        raise Invalid("reason", "MaxLengthExceeded", f"reason has at most {MAX_REASON} characters.")
    if not is_storable(reason):
        raise Invalid("reason", "InvalidCharacters", "reason must not contain NUL or broken Unicode.")
    return reason.strip().rstrip(".")


def _require_permission(row: Lockable, actor: Actor) -> None:
    allowed = can(actor, PERMISSION, row.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)


def _record(row: Lockable, verb: str, actor: Actor, request: dict[str, str]) -> None:
    """No generation and no operation: nothing is to be reconciled, and a change that is under way goes on."""
    actor.memo.pop(_MEMO, None)
    record(f"{row.KIND}.{verb}", actor=actor, row=row, environment_id=row.environment_id, request=request)
    row_changed(row.environment_id, row.KIND, row.pk)
