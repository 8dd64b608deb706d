"""The one door to ask: a wish, its operation, its audit line and its wake-up, in one transaction."""

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
from apps.control.queue import enqueue_after_commit
from apps.core.errors import (
    ActionNotAvailable,
    Conflict,
    Forbidden,
    Invalid,
)
from apps.core.events import row_changed
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
    """Record the wish `action` on `row`, with further wish columns `changes`; the row is refreshed.

    Raises `Forbidden` (role), `ActionNotAvailable` (state), `Conflict` when another asker was faster. Nothing is done
    yet when this returns: the loop does it.
    """
    actor = actor or SYSTEM
    _require_allowed(row, action, actor)
    _check_texts(changes or {})
    desired = {**(changes or {}), **_desired_columns(row, action)}
    previous_values = _previous_values(row, [*(changes or {}), "desired"])
    with transaction.atomic():
        rows = type(row).all_objects.filter(pk=row.pk, generation=row.generation)
        if not rows.update(generation=F("generation") + 1, **desired):
            raise Conflict(f"{row.name or row.KIND} was changed by somebody else just now; look again and retry.")
        row.refresh_from_db()
        _supersede(row)
        operation = _operation(row, action, actor, request, parent, environment)
        operation.previous_values = previous_values
        operation.save(force_insert=True)
        _audit(row, action, actor, operation)
        enqueue_after_commit(row.KIND, row.pk)
    row_changed(operation.environment_id, row.KIND, row.pk)
    return operation


def _desired_columns(row: Managed, action: str) -> dict[str, Any]:
    """The columns that every wish sets: what is wanted, what shows meanwhile, a clean slate, a look due at once."""
    transition = row.LIFECYCLE.transitions[action]
    desired = {"fault": False, "message": "", "attempts": 0, "next_attempt_at": timezone.now()}
    wanted = {"desired": transition.desired} if transition.desired else {}
    return {**desired, **wanted, "transition_state": transition.transition_state_from(row.display_state)}


def _previous_values(row: Managed, names: Iterable[str]) -> str:
    """What the wish replaces, as JSON, for whoever takes it back."""
    columns = {row._meta.get_field(name).attname for name in names}  # type: ignore[union-attr]  # noqa: SLF001
    return json.dumps({name: getattr(row, name) for name in sorted(columns)}, default=str)


def _require_allowed(row: Managed, action: str, actor: Actor) -> None:
    answer = verdict(actor, action, row)
    if answer:
        return
    if answer.is_forbidden:
        raise Forbidden(answer.reason)
    raise ActionNotAvailable(f"{action}: {answer.reason}", field="action")


def _check_texts(values: Mapping[str, Any]) -> None:
    """What every kind has in common must fit its column; PostgreSQL would refuse it later and less kindly."""
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
    """Save a new row with its first wish; `actor` None is the installation itself.

    `environment` is where the wish belongs to when the row does not tell yet. Raises `Forbidden` when the actor lacks
    `permission` (default: what the birth transition says) there; site-wide kinds check their own callers.
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
    parent: Operation | None = None,
    permission: str | None = None,
    environment: Any = None,
) -> list[Operation]:
    """Save several new rows of one kind with their first wishes, in a constant number of queries."""
    actor = actor or SYSTEM
    create_action = rows[0].LIFECYCLE.create_action
    transition = rows[0].LIFECYCLE.transitions[create_action]
    with transaction.atomic():
        for row in rows:
            environment_id = environment_of(row) if hasattr(row, "environment_id") else None
            if environment_id is not None:
                allowed = can(actor, permission or transition.permission, environment_id)
                if not allowed:
                    raise Forbidden(allowed.reason)
            _check_texts({"name": row.name, "description": row.description})
            row.transition_state, row.desired = transition.transition_state, row.desired or transition.desired
        _insert(rows)
        operations = [_operation(row, create_action, actor, request, parent, environment) for row in rows]
        Operation.all_objects.bulk_create(operations)
        for row, operation in zip(rows, operations, strict=True):
            _audit(row, create_action, actor, operation)
            enqueue_after_commit(row.KIND, row.pk)
    for row, operation in zip(rows, operations, strict=True):
        row_changed(operation.environment_id, row.KIND, row.pk)
    return operations


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
    request: Mapping[str, Any] | None,
    parent: Operation | None,
    environment: Any,
) -> Operation:
    return Operation(
        environment_id=environment.pk if environment is not None else environment_of(row),
        account=actor.user,
        via=actor.via,
        name=f"{row.KIND}.{action}",
        kind=row.KIND,
        target=row.pk,
        target_name=row.name or str(row)[:255],
        generation=row.generation,
        parent=parent,
        input=redact(dict(request or {})),
        request_id=actor.request_id,
    )


def _audit(row: Managed, action: str, actor: Actor, operation: Operation) -> None:
    """What the loop asks on its own is told by the operations; people's wishes get an audit line."""
    if actor.is_system:
        return
    record(
        f"{row.KIND}.{action}",
        actor=actor,
        row=row,
        environment_id=operation.environment_id,
        request=operation.input,
    )


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
    """Append one line to the environment's audit chain (or the system's), secrets blanked.

    How the request was answered is added by the door (`record_response`); `code` says it where it is known already.
    """
    actor = actor or SYSTEM
    who = account or actor.user
    entry = AuditEntry(
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
        request=chain.limit_size(redact(dict(request or {}), secrets)),
    )
    chain.append_entry(entry)
    if code:
        chain.record_answers([entry], code, {})
    elif actor.user is not None:
        actor.audit_entries.append(entry)
    return entry


def note_progress(row: Managed, *texts: str) -> None:
    """Add lines for people who watch to what is going on with the row."""
    pending = (
        list(Operation.all_objects.filter(kind=row.KIND, target=row.pk, state__in=PENDING_STATES)) if texts else []
    )
    if pending:
        lines = [OperationLine(operation=each, text=text) for each in pending for text in texts]
        OperationLine.objects.bulk_create(lines)


def record_response(
    actor: Actor, code: int, response: Any, *, event: str, environment_id: int | None, request: Any
) -> None:
    """Tell the audit log how the change that `actor` asked for was answered, secrets blanked.

    A refusal that wrote no line of its own (`event`, `request`: what was asked) gets one; what is not there for the
    asker is nobody's business and gets none.
    """
    if actor.user is None:
        return
    payload = chain.limit_size(redact(response))
    try:
        _complete_audit_entries(actor, code, payload, event=event, environment_id=environment_id, request=request)
    except OperationalError:  # what was asked is done or refused by now, and that is what the answer must say
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
