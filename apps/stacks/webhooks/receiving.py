"""What becomes of a call: verified, counted once, and done as its account or refused with the reason.

A call that proves to know the secret is kept with its answer. Of others only how many there were is known, and the
audit log has an entry for all of a while together: whoever sends rubbish must not be able to fill it.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from apps.control.services import record, record_response
from apps.core.errors import ActionNotAvailable, Conflict, Forbidden, Problem, TooManyRequests, Unauthorized
from apps.core.events import row_changed
from apps.core.texts import is_storable
from apps.environments.actor import Actor
from apps.stacks.webhooks.call_body import parse_call
from apps.stacks.webhooks.models import DeployWebhook, DeployWebhookCall
from apps.stacks.webhooks.on_behalf import VIA, actor_of_webhook, refusal_of
from apps.stacks.webhooks.signature import MAX_SKEW, TIMESTAMP_HEADER, CallSignature
from apps.stacks.webhooks.tasks import TaskResult, run_task

CALLS_A_MINUTE = 10
RECORD_EVERY = timedelta(minutes=10)
EVENT, REFUSED_EVENT = "deployWebhook.call", "deployWebhook.wrongcalls"
_UNKNOWN = "There is no such webhook, or the signature was not made with its secret: check the URL and the secret."
_NO_SECRET = "0" * 43  # as much work as with a secret


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """A call that was accepted: the webhook, and what it has begun."""

    row: DeployWebhook
    result: TaskResult


class WrongCall(Unauthorized):
    """A call that nobody is known to have made who has the secret; `row` is the webhook where there is one."""

    def __init__(self, row: DeployWebhook | None, reason: str, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.row, self.reason = row, reason


def find_called(key: str, signature: CallSignature, body: bytes) -> DeployWebhook:
    """The webhook with this uuid, if the call was made with its secret, just now.

    Raises `WrongCall`, with the same words for an unknown webhook and a wrong signature.
    """
    row = _find(key)
    is_genuine = signature.is_made_with(row.secret if row is not None else _NO_SECRET, body)
    if row is None or not is_genuine:
        raise WrongCall(row, "wrong signature", _UNKNOWN)
    skew = signature.skew(timezone.now().timestamp())
    if abs(skew) > MAX_SKEW:
        side = "behind" if skew > 0 else "ahead of"
        why = (
            f"{TIMESTAMP_HEADER} is {abs(skew)} seconds {side} the portal's clock, and {MAX_SKEW} are possible: sign "
            "each call when you send it, and set the clock."
        )
        raise WrongCall(row, "old timestamp", why, field=TIMESTAMP_HEADER, code="InvalidOption")
    return row


def _find(key: str) -> DeployWebhook | None:
    try:
        wanted = uuid.UUID(key)
    except ValueError:
        return None
    rows = DeployWebhook.all_objects.filter(uuid=wanted, removed=None, desired__in=("active", "inactive"))
    rows = rows.filter(service__removed=None).exclude(service__desired__in=("removed", "purged"))
    found: DeployWebhook | None = rows.select_related("service", "account", "key__account").first()
    return found if found is not None and found.secret else None


def note_refusal(row: DeployWebhook, reason: str, address: str) -> None:
    """Count a call that did not prove to be made just now by who knows the secret; an entry at times for all of them.

    Of several that come at once one writes the entry: the update says which.
    """
    now = timezone.now()
    with transaction.atomic():
        mine = DeployWebhook.all_objects.filter(pk=row.pk)
        mine.update(refusals=F("refusals") + 1, refused_at=now)
        due = mine.filter(Q(recorded_at=None) | Q(recorded_at__lte=now - RECORD_EVERY))
        if not due.update(recorded_at=now):
            return
        current = mine.values_list("refusals", "refusals_recorded").get()
        mine.update(refusals_recorded=current[0])
        request = {"reason": reason, "calls": current[0] - current[1]}
        actor = Actor(None, VIA, address=address)
        record(REFUSED_EVENT, actor=actor, row=row, environment_id=row.environment_id, request=request, code="401")


def deploy_webhook_call(row: DeployWebhook, signature: CallSignature, body: bytes, *, address: str) -> CallAnswer:
    """Have the webhook's task done, once for each signature.

    A refusal is kept and audited, too, and uses the signature up. Raises `Conflict` for a call that was received
    already, `TooManyRequests`, and whatever the change itself is refused with.
    """
    actor = actor_of_webhook(row, address)
    try:
        found = _call_once(row, signature, body, actor)
    except _Replayed:
        note_refusal(row, "sent again", address)
        raise
    row_changed(row.environment_id, "service", row.service_id)
    if isinstance(found, Problem):
        raise found
    # The entries of the change itself, which are the account's as well.
    record_response(actor, 202, {}, event=EVENT, environment_id=row.environment_id, request={})
    return CallAnswer(row, found)


@transaction.atomic
def _call_once(row: DeployWebhook, signature: CallSignature, body: bytes, actor: Actor) -> TaskResult | Problem:
    """Keep the call with what came of it, in the same transaction as the change."""
    call = _keep(row, signature, actor.address)
    # Before the audit log is written to, as whoever counts a wrong call does: neither waits for the other for ever.
    DeployWebhook.all_objects.filter(pk=row.pk).update(last_used=call.at)
    found = _try(row, call, body, actor)
    call.save(update_fields=["outcome", "request", "message"])
    details = {"task": row.task, "service": row.service.name, **call.request}
    code = str(found.status) if isinstance(found, Problem) else "202"
    record(EVENT, actor=actor, row=row, environment_id=row.environment_id, request=details, code=code)
    return found


def _keep(row: DeployWebhook, signature: CallSignature, address: str) -> DeployWebhookCall:
    """Note the call before anything is done. Raises `Conflict` if it was noted before, `TooManyRequests`."""
    now = timezone.now()
    recent = DeployWebhookCall.objects.filter(webhook=row, at__gt=now - timedelta(minutes=1))
    expires = datetime.fromtimestamp(signature.expires, UTC)
    call = DeployWebhookCall(webhook=row, signature=signature.text, expires=expires, at=now, address=address[:64])
    try:
        with transaction.atomic():
            call.save(force_insert=True)
    except IntegrityError:
        why = "This call was received already, and counts once: sign a new one, with the time of now."
        raise _Replayed(why) from None
    if recent.count() > CALLS_A_MINUTE:
        why = f"A webhook may be called {CALLS_A_MINUTE} times a minute: wait a moment."
        raise TooManyRequests(why, retry_after=60)
    return call


class _Replayed(Conflict):
    """The same signature again."""


def _try(row: DeployWebhook, call: DeployWebhookCall, body: bytes, actor: Actor) -> TaskResult | Problem:
    """Do it, or say why not; what is half done of a refused change is taken back."""
    try:
        if row.desired != "active":
            raise ActionNotAvailable("This webhook is deactivated: activate it on its service's page.", field="webhook")
        if reason := refusal_of(row, actor):
            raise Forbidden(reason)
        requested = parse_call(row.task, body, tag_patterns=row.tag_patterns, limits=row.limits)
        call.request = requested.describe()
        with transaction.atomic():
            result = run_task(row, requested, actor=actor)
    except Problem as problem:
        actor.audit_entries.clear()  # those of what was taken back
        call.message = _storable(problem.message)
        return problem
    call.outcome, call.message = DeployWebhookCall.ACCEPTED, _storable(result.text)
    return result


def _storable(text: str) -> str:
    return text[:500] if is_storable(text) else ascii(text)[:500]


def calls_of(row: DeployWebhook, count: int) -> list[DeployWebhookCall]:
    """The last calls, the newest first."""
    return list(DeployWebhookCall.objects.filter(webhook=row)[:count])


def describe_answer(answer: CallAnswer) -> dict[str, Any]:
    """What was begun, by the names of the API; ids are the face's to write."""
    service, result = answer.result.service, answer.result
    return {
        "task": answer.row.task,
        "webhook": answer.row.name,
        "service": service.name,
        "stack": service.stack.name,
        "state": service.display_state,
        "scale": service.scale,
        "image": service.image,
        "revision": service.revision,
        "replacesUpgrade": result.replaces_upgrade,
        "message": result.text,
    }
