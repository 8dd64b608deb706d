"""What people do with promotions: request, approve, refuse and undo one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.control.services import create, record, request_change
from apps.core.edits import StaleEdit
from apps.core.errors import ActionNotAvailable, Forbidden, Invalid
from apps.core.texts import is_storable, labeled
from apps.environments.access import can, verdict
from apps.environments.actor import Actor
from apps.environments.models import Environment
from apps.stacks.models import Stack
from apps.stacks.promotions.content import SourceFiles, source_files
from apps.stacks.promotions.models import Promotion, PromotionRules
from apps.stacks.promotions.preview import PromotionContent, PromotionPreview, preview_promotion, require_possible
from apps.stacks.promotions.requester import requester_of
from apps.stacks.promotions.rules import rules_of
from apps.stacks.revisions import check_note
from apps.stacks.stack_upgrade import stack_act, stack_return_to

MAX_VARIABLES, MAX_VALUE = 500, 65_536


@dataclass(frozen=True, slots=True)
class PromotionRequest:
    """What somebody wants promoted: a revision of `source` (None: what it is now) into `environment`.

    `name` is the target stack's (empty: the source's), `services` some of the services only, `variables` values for
    the target beside its own, `based_on` the basis of the preview that was looked at.
    """

    source: Stack
    environment: Environment
    revision: int | None = None
    name: str = ""
    services: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    remove_missing: bool = False
    note: str = ""
    based_on: str = ""


def content_of_request(request: PromotionRequest, *, actor: Actor) -> PromotionContent:
    """What would be deployed. Raises `Forbidden` (either environment), `Invalid`."""
    source, environment = request.source, request.environment
    if source.environment_id == environment.pk and (request.name or source.name).lower() == source.name.lower():
        raise Invalid("toProjectId", "InvalidOption", "A stack is promoted into another environment than its own.")
    allowed = can(actor, "operate", environment.pk)
    if not allowed:
        raise Forbidden(labeled(environment.name, allowed.reason))
    if request.services and request.remove_missing:
        why = "Name services, or have those removed that are missing; not both."
        raise Invalid("services", "InvalidOption", why)
    return PromotionContent(
        files=source_files(source, request.revision, actor=actor),
        environment=environment,
        name=request.name or source.name,
        services=tuple(dict.fromkeys(request.services)),
        variables=_check_variables(request.variables),
        remove_missing=request.remove_missing,
        source_environment=source.environment_id,
    )


def _check_variables(given: Mapping[str, str]) -> dict[str, str]:
    if len(given) > MAX_VARIABLES:
        raise Invalid("variables", "MaxLimitExceeded", f"At most {MAX_VARIABLES} variables can be given.")
    for name, value in given.items():
        if not isinstance(value, str) or len(value) > MAX_VALUE or not is_storable(name + value):
            raise Invalid("variables", "InvalidFormat", f"The value of {name[:60]!r} is no text that can be kept.")
    return dict(given)


def promotion_preview(request: PromotionRequest, *, actor: Actor) -> PromotionPreview:
    """What it would do now. Raises `Forbidden`, `Invalid`."""
    return preview_promotion(content_of_request(request, actor=actor), actor=actor)


def promotion_request(request: PromotionRequest, *, actor: Actor) -> Promotion:
    """Have a revision promoted: the loop runs it as soon as it is approved and the change window is open.

    What was looked at is what is deployed: the files are kept with the request. Raises `Forbidden` (either
    environment), `Invalid` (what stands in the way), `StaleEdit` (the target is not as it was looked at any more).
    """
    note = check_note(request.note)
    content = content_of_request(request, actor=actor)
    preview = preview_promotion(content, actor=actor)
    if request.based_on and request.based_on != preview.basis:
        raise StaleEdit(content.name)
    require_possible(preview)
    rules = rules_of(content.environment.pk)
    if not rules.needs_approval:
        _require_window(rules)
    row = _row(request, content, preview, actor, note)
    source = request.source
    with transaction.atomic():
        create(row, actor=actor, request=_describe(row))
        details = {"promotion": row.pk, "revision": row.source_revision, "note": note}
        record("stack.promote", actor=actor, row=source, environment_id=source.environment_id, request=details)
    return row


def _row(
    request: PromotionRequest, content: PromotionContent, preview: PromotionPreview, actor: Actor, note: str
) -> Promotion:
    return Promotion(
        environment=content.environment,
        name=content.name,
        source_environment_id=request.source.environment_id,
        source=request.source,
        source_revision=content.files.revision,
        services=list(content.services),
        remove_missing=content.remove_missing,
        docker_compose=content.files.docker_compose,
        rancher_compose=content.files.rancher_compose,
        variables=dict(content.variables or {}),
        note=note,
        digest=content.digest,
        target_basis=preview.basis,
        target=preview.target,
        account=actor.user,
        key=actor.api_key,
        with_key=actor.api_key is not None,
        via=actor.via,
        address=actor.address,
    )


def _describe(row: Promotion) -> dict[str, Any]:
    return {
        "name": row.name,
        "revision": row.source_revision,
        "services": row.services,
        "removeMissing": row.remove_missing,
        "variables": sorted(row.variables),
        "digest": row.digest,
        "note": row.note,
    }


def _require_window(rules: PromotionRules) -> None:
    """Raise `ActionNotAvailable` outside a change window that promotions do not wait for."""
    now = timezone.now()
    if rules.refuse_outside and not rules.window.is_open(now):
        opens = rules.window.opens_at(now)
        why = f"Only possible in the change window ({rules.window.describe()}), which opens {opens:%Y-%m-%d %H:%M} UTC."
        raise ActionNotAvailable(why, field="action")


def content_of(row: Promotion) -> PromotionContent:
    """What a requested promotion deploys: as it was when it was requested, whatever became of the source since."""
    files = SourceFiles(row.docker_compose, row.rancher_compose, {}, row.source_revision)
    return PromotionContent(
        files=files,
        environment=row.environment,
        name=row.name,
        services=tuple(row.services),
        variables=row.variables,
        remove_missing=row.remove_missing,
        source_environment=row.source_environment_id,
    )


def preview_requested(row: Promotion) -> PromotionPreview:
    """What a requested promotion would do if it ran now, with what stands in its way."""
    actor, refusal = requester_of(row)
    preview = preview_promotion(content_of(row), actor=actor)
    if not refusal:
        return preview
    return PromotionPreview(preview.draft, preview.target, preview.basis, (refusal,), preview.warnings)


def promotion_approve(row: Promotion, *, actor: Actor, based_on: str = "") -> Promotion:
    """Approve what the promotion does now; `based_on` is the basis of the preview that was looked at.

    Raises `Forbidden` (role, or who requested it), `ActionNotAvailable` (state, window), `StaleEdit`, `Invalid`.
    """
    decision = verdict(actor, "approve", row)
    if decision and actor.user is not None and actor.user.pk == row.account_id:
        raise Forbidden("You requested this promotion: somebody else has to approve it.")
    changes: dict[str, Any] = {}
    if decision:
        preview = preview_requested(row)
        if based_on and based_on != preview.basis:
            raise StaleEdit(row.name)
        require_possible(preview)
        _require_window(rules_of(row.environment_id))
        changes = {
            "approved_by": actor.user,
            "approved_at": timezone.now(),
            "approved_basis": preview.basis,
            "approved_digest": content_of(row).digest,
        }
    request_change(row, "approve", actor=actor, changes=changes, request={"digest": row.digest})
    return row


def promotion_refuse(row: Promotion, *, actor: Actor, reason: str = "") -> Promotion:
    """Refuse a promotion that waits, or withdraw one's own. Raises `Forbidden`, `ActionNotAvailable`, `Invalid`."""
    checked = check_note(reason)
    changes = {"refused_by": actor.user, "refusal_reason": checked}
    request_change(row, "refuse", actor=actor, changes=changes, request={"reason": checked})
    return row


def promotion_undo(row: Promotion, *, actor: Actor) -> Promotion:
    """Bring the target back to what it was before, by the rollback of its upgrade or a return to its revision.

    Raises `Forbidden`, and `ActionNotAvailable` where the target has been changed since or was made by the promotion.
    """
    reason = undo_refusal(row)
    decision = verdict(actor, "undo", row)
    if decision and reason:
        raise ActionNotAvailable(reason, field="action")
    target = row.target
    with transaction.atomic():
        request_change(row, "undo", actor=actor)
        if target is not None and target.LIFECYCLE.allows("rollback", target.display_state):
            stack_act(target, "rollback", actor=actor)
        elif target is not None:
            stack_return_to(target, row.previous_revision or 0, actor=actor, note="The promotion was undone")
    return row


def undo_refusal(row: Promotion) -> str:
    """Why a promotion that is done cannot be undone; empty where it can."""
    target = row.target
    if target is None or target.removal_requested:
        return "The stack is not there any more."
    if row.is_new_stack:
        return f"{target.name} was made by this promotion: delete the stack instead."
    if target.revision != row.target_revision:
        return f"{target.name} has been upgraded or rolled back since: use its revisions."
    return ""
