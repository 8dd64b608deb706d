"""The only place that changes desired states: columns, operation, audit entry and requeue, in one transaction."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from apps.control.audit import chain
from apps.control.models import (
    PENDING_STATES,
    AuditEntry,
    Operation,
    OperationLine,
)
from apps.control.queue import enqueue_after_commit, enqueue_all_after_commit
from apps.core.edits import require_current
from apps.core.errors import (
    ActionNotAvailable,
    Conflict,
    Forbidden,
    Invalid,
    Locked,
)
from apps.core.events import row_changed
from apps.core.hooks import hooks
from apps.core.models import Managed
from apps.core.redact import redact
from apps.core.texts import is_storable
from apps.environments.access import can, environment_of, verdict
from apps.environments.actor import SYSTEM, Actor

log = logging.getLogger(__name__)

UNAUDITED_STATUSES = {401, 404, 429}
TEXT_LIMITS = {"name": 255, "description": 1024}


def request_change(
    row: Managed,
    action: str,
    *,
    actor: Actor | None,
    changes: Mapping[str, Any] | None = None,
    request: Mapping[str, Any] | None = None,
    parent: Operation | None = None,
    environment: Any = None,
) -> Operation:
    """Record `action` as the desired state of `row`, with further desired columns `changes`; the row is refreshed.

    Raises `Forbidden` (role), `ActionNotAvailable` (state), `StaleEdit` when `row.based_on` says that the change
    started from older values, `Conflict` when somebody else was faster. Nothing is done yet when this returns: the
    loop does it.
    """
    actor = actor or SYSTEM
    _require_allowed(row, action, actor)
    require_current(row, changes or {})
    _check_texts(changes or {})
    return write_change(
        row,
        action,
        {**(changes or {}), **_transition_columns(row, action)},
        actor=actor,
        environment_id=_environment_id(row, environment),
        request=request,
        parent=parent,
    )


def write_change(
    row: Managed,
    action: str,
    columns: Mapping[str, Any],
    *,
    actor: Actor,
    environment_id: int | None,
    request: Mapping[str, Any] | None = None,
    parent: Operation | None = None,
    previous_values: str = "",
) -> Operation:
    """Write desired columns as a new generation with its operation, audit entry and requeue; the row is refreshed.

    Whether the actor may is the caller's to check. `previous_values` (default: what the columns held) is what a
    cancellation puts back. Raises `Conflict` when the row has moved on since it was read.
    """
    previous_values = previous_values or _previous_values(row, {*columns, "desired"} - {"transition_state"})
    # A clean slate, and due at once: attempts and messages of the previous desired state say nothing about this one.
    fresh = {"fault": False, "message": "", "attempts": 0, "next_attempt_at": timezone.now()}
    with transaction.atomic():
        rows = type(row).all_objects.filter(pk=row.pk, generation=row.generation)
        if not rows.update(generation=F("generation") + 1, **{**fresh, **row.CLEARED_BY_CHANGES, **columns}):
            raise Conflict(f"{row.name or row.KIND} was changed by somebody else just now; look again and retry.")
        row.refresh_from_db()
        row.based_on = None  # of an older generation now, by this very change
        _supersede(row)
        operation = _operation(row, action, actor, environment_id, request, parent)
        operation.previous_values = previous_values
        operation.save(force_insert=True)
        _audit([row], action, actor, [operation])
        enqueue_after_commit(row.KIND, row.pk)
    row_changed(environment_id, row.KIND, row.pk)
    return operation


def _transition_columns(row: Managed, action: str) -> dict[str, Any]:
    """What the action wants, and the state that is displayed until the loop has reconciled it."""
    transition = row.LIFECYCLE.transitions[action]
    desired = {"desired": transition.desired} if transition.desired else {}
    return {**desired, "transition_state": transition.transition_state_from(row.display_state, row.desired)}


def _previous_values(row: Managed, names: Iterable[str]) -> str:
    """What these columns hold now, as JSON."""
    columns = {row._meta.get_field(name).attname for name in names}  # type: ignore[union-attr]  # noqa: SLF001
    return json.dumps({name: getattr(row, name) for name in sorted(columns)}, default=str)


def _require_allowed(row: Managed, action: str, actor: Actor) -> None:
    decision = verdict(actor, action, row)
    if decision:
        return
    if decision.is_forbidden:
        raise Forbidden(decision.reason)
    if decision.is_locked:
        raise Locked(decision.reason, field="action")
    raise ActionNotAvailable(f"{action}: {decision.reason}", field="action")


def _check_texts(values: Mapping[str, Any]) -> None:
    """Check the columns that every kind has; PostgreSQL would refuse a misfit later and less kindly."""
    for field, limit in TEXT_LIMITS.items():
        value = values.get(field)
        if value is not None and not isinstance(value, str):
            raise Invalid(field, "InvalidFormat", f"{field} is a text.")
        if value and len(value) > limit:
            raise Invalid(field, "MaxLengthExceeded", f"{field} has at most {limit} characters.")
        if value and not is_storable(value):
            raise Invalid(field, "InvalidCharacters", f"{field} must not contain NUL or broken Unicode.")


def create(
    row: Managed,
    *,
    actor: Actor | None,
    request: Mapping[str, Any] | None = None,
    parent: Operation | None = None,
    permission: str | None = None,
    environment: Any = None,
) -> Operation:
    """Save a new row with its first desired state; `actor` None is the installation itself.

    `environment` is where the operation belongs when the row does not say yet. Raises `Forbidden` when the actor lacks
    `permission` (default: what the create action takes) there; site-wide kinds check their own callers.
    """
    payload: dict[str, Any] = {
        "request": request,
        "parent": parent,
        "permission": permission,
        "environment": environment,
    }
    return create_all([row], actor=actor, **payload)[0]


def create_all(
    rows: Sequence[Managed],
    *,
    actor: Actor | None,
    request: Mapping[str, Any] | None = None,
    requests: Sequence[Mapping[str, Any]] = (),
    parent: Operation | None = None,
    permission: str | None = None,
    environment: Any = None,
) -> list[Operation]:
    """Save several new rows of one kind with their first desired states, in a constant number of queries.

    `requests` says of each row what was requested of it, `request` the same of all.
    """
    if not rows:
        return []
    actor = actor or SYSTEM
    described = requests or [request or {}] * len(rows)
    create_action = rows[0].LIFECYCLE.create_action
    transition = rows[0].LIFECYCLE.transitions[create_action]
    with transaction.atomic():
        for row in rows:
            _require_may_create(row, actor, permission or transition.permission)
            _check_texts({"name": row.name, "description": row.description})
            row.transition_state, row.desired = transition.transition_state, row.desired or transition.desired
        _insert(rows)
        operations = [
            _operation(row, create_action, actor, _environment_id(row, environment), each, parent)
            for row, each in zip(rows, described, strict=True)
        ]
        Operation.all_objects.bulk_create(operations)
        _audit(rows, create_action, actor, operations)
        enqueue_all_after_commit(rows[0].KIND, [row.pk for row in rows])
    for row, operation in zip(rows, operations, strict=True):
        row_changed(operation.environment_id, row.KIND, row.pk)
    return operations


def _require_may_create(row: Managed, actor: Actor, permission: str) -> None:
    environment_id = environment_of(row) if hasattr(row, "environment_id") else None
    if environment_id is not None:
        allowed = can(actor, permission, environment_id)
        if not allowed:
            raise Forbidden(allowed.reason)
        if reason := hooks.lock_refusal(actor, row.LIFECYCLE.create_action, row):
            raise Locked(reason, field="action")


def _environment_id(row: Managed, environment: Any) -> int | None:
    return environment.pk if environment is not None else environment_of(row)


def _insert(rows: Sequence[Managed]) -> None:
    if len(rows) > 1:
        type(rows[0]).all_objects.bulk_create(rows)
    else:
        rows[0].save()


def _supersede(row: Managed) -> None:
    Operation.all_objects.filter(kind=row.KIND, target=row.pk, state__in=PENDING_STATES).update(
        state="superseded", ended=timezone.now()
    )


def _operation(
    row: Managed,
    action: str,
    actor: Actor,
    environment_id: int | None,
    request: Mapping[str, Any] | None,
    parent: Operation | None,
) -> Operation:
    return Operation(
        environment_id=environment_id,
        account=actor.user,
        via=actor.via,
        name=f"{row.KIND}.{action}",
        kind=row.KIND,
        target=row.pk,
        target_name=row.name or str(row)[:255],
        generation=row.generation,
        parent=parent,
        input=_describe(request),
        request_id=actor.request_id,
    )


def _audit(rows: Sequence[Managed], action: str, actor: Actor, operations: Sequence[Operation]) -> None:
    """Write the audit entries of what a person changes; what the loop does on its own has operations only."""
    if actor.is_system:
        return
    entries = [
        _audit_entry(
            f"{row.KIND}.{action}",
            actor=actor,
            row=row,
            environment_id=operation.environment_id,
            request=operation.input,
        )
        for row, operation in zip(rows, operations, strict=True)
    ]
    chain.append_entries(entries)
    if actor.user is not None:
        actor.audit_entries.extend(entries)


def record(
    event: str,
    *,
    actor: Actor | None,
    row: Any = None,
    environment_id: int | None = None,
    request: Mapping[str, Any] | None = None,
    address: str = "",
    account: Any = None,
    secrets: Iterable[str] = (),
    via: str = "",
    code: str = "",
) -> AuditEntry:
    """Append one entry to the environment's audit chain (or the installation's), secrets blanked.

    How the request was answered is added by `record_response`, or by `code` where that is known already.
    """
    actor = actor or SYSTEM
    entry = _audit_entry(
        event,
        actor=actor,
        row=row,
        environment_id=environment_id,
        request=_describe(request, secrets),
        address=address,
        account=account,
        via=via,
    )
    chain.append_entry(entry)
    if code:
        chain.record_answers([entry], code, {})
    elif actor.user is not None:
        actor.audit_entries.append(entry)
    return entry


def _audit_entry(
    event: str,
    *,
    actor: Actor,
    row: Any,
    environment_id: int | None,
    request: Any,
    address: str = "",
    account: Any = None,
    via: str = "",
) -> AuditEntry:
    """An entry that is not in its chain yet; `request` is described already."""
    who = account or actor.user
    return AuditEntry(
        environment_id=environment_id,
        account=who,
        account_number=who.pk if who else None,
        key=actor.api_key,
        key_number=actor.api_key.pk if actor.api_key else None,
        via=via or actor.via,
        auth_type=actor.auth_type,
        event=event,
        kind=getattr(row, "KIND", ""),
        target=getattr(row, "pk", None),
        target_name=str(getattr(row, "name", "") or "")[:255],
        address=address or actor.address,
        request=request,
    )


def _describe(value: Any, secrets: Iterable[str] = ()) -> Any:
    """A request or an answer as it is kept, secrets blanked; one that cannot be described is kept without it."""
    try:
        return chain.limit_size(redact(value if value is not None else {}, secrets))
    except Exception:  # whatever is wrong with it, that it was sent must not go unrecorded
        log.exception("a request or an answer could not be described for the audit log")
        return {"omitted": "could not be described"}


def note_progress(row: Managed, *texts: str) -> None:
    """Add lines of progress to the pending operations of a row."""
    pending = (
        list(Operation.all_objects.filter(kind=row.KIND, target=row.pk, state__in=PENDING_STATES)) if texts else []
    )
    if pending:
        lines = [OperationLine(operation=each, text=text) for each in pending for text in texts]
        OperationLine.objects.bulk_create(lines)


def record_response(
    actor: Actor, code: int, response: Any, *, event: str, environment_id: int | None, request: Any
) -> None:
    """Add to the actor's audit entries how the request was answered, secrets blanked.

    A refusal that wrote no entry (`event`, `request`: what was requested) gets one; but one that says that something
    is not there gets none, or anybody could fill a foreign environment's log.
    """
    if actor.user is None:
        return
    payload = _describe(response)
    try:
        _complete_audit_entries(actor, code, payload, event=event, environment_id=environment_id, request=request)
    except OperationalError:  # the change is committed or refused by now, and the answer must say so
        log.exception("the answer %s to %s is missing in the audit log", code, event)
    finally:
        actor.audit_entries.clear()


def _complete_audit_entries(
    actor: Actor, code: int, payload: Any, *, event: str, environment_id: int | None, request: Any
) -> None:
    done = chain.record_answers(actor.audit_entries, str(code), payload)
    if not done and code >= 400 and code not in UNAUDITED_STATUSES:
        entry = record(event, actor=actor, environment_id=environment_id, request=request)
        chain.record_answers([entry], str(code), payload)
