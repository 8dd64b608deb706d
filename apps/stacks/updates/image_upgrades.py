"""Upgrading services to newer images: what a person asks for, and what policies begin by themselves.

An upgrade by policy is one like any other, in batches and judged; it is begun in one transaction with the note that it
was, so that whoever dies leaves either nothing or an upgrade that is followed. What failed is not tried again with the
same image. In an environment one is going on at a time, and none begins while anybody else's upgrade does.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.control.services import record
from apps.core.errors import ActionNotAvailable, Forbidden, Problem
from apps.core.events import row_changed
from apps.environments.access import can
from apps.environments.actor import SYSTEM, Actor
from apps.environments.models import Environment
from apps.stacks.lock import Lock
from apps.stacks.models import Service, ServiceRevision, Stack
from apps.stacks.revisions import is_return_to
from apps.stacks.updates.image_names import short_digest
from apps.stacks.updates.models import ImageUpdate, ImageUpgrade
from apps.stacks.updates.outcomes import (
    FINISHED,
    GOING,
    OPEN,
    REFUSED,
    UpgradeNow,
    describe_outcome,
    outcome_of,
)
from apps.stacks.updates.policies import PolicyIndex, policy_owner
from apps.stacks.updates.policy import UPGRADE
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import last_strategy
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.settings import ENDS_BY_ITSELF

log = logging.getLogger(__name__)

_BUSY = frozenset(
    {"upgrading", "canceling-upgrade", "rolling-back", "canceling-rollback", "finishing-upgrade", "restarting"}
)


def image_update_apply(row: Service, *, actor: Actor, note: str = "") -> Service:
    """Upgrade a service to the newest images that its registries have, as a person decides.

    Raises `Forbidden`, `ActionNotAvailable` where there is none, and whatever an upgrade does.
    """
    allowed = can(actor, "operate", row.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    found = newer_images(row)
    if not found:
        raise ActionNotAvailable(f"No newer image of {row.name} is known; check again, or look at its updates.")
    with transaction.atomic():
        _begin(row, found, actor=actor, note=note, judged=None)
        # A person's decision: whatever came of the policy's last attempt with these digests is over.
        ImageUpgrade.objects.filter(service=row).exclude(outcome__in=OPEN).delete()
    return row


def newer_images(row: Service) -> list[ImageUpdate]:
    """The images of the service of which registries have newer ones, without those that it is being upgraded to."""
    found = ImageUpdate.objects.filter(service=row, state=ImageUpdate.NEWER).order_by("image")
    return [each for each in found if row.image_pins.get(each.image) != each.digest]


def _begin(
    row: Service, found: Sequence[ImageUpdate], *, actor: Actor, note: str, judged: Mapping[str, object] | None
) -> None:
    """Request the upgrade; what ran before is kept with the revision of before, so that a rollback means it."""
    digests, before = {each.image: each.digest for each in found}, {each.image: each.running for each in found}
    held, previous = dict(row.image_pins), row.revision
    strategy = last_strategy(row, verdict=judged)
    service_upgrade(
        row,
        actor=actor,
        config=row.config if row.config.image in digests else None,
        sidekicks=[replace(each) for each in row.sidekicks if each.config.image in digests],
        strategy=strategy,
        note=note or _note(found),
        columns={"image_pins": {**held, **digests}},
    )
    kept = {image: digest for image, digest in {**before, **held}.items() if digest}
    ServiceRevision.objects.filter(service=row, number=previous).update(image_pins=kept)


def _note(found: Iterable[ImageUpdate]) -> str:
    """What the revision is for."""
    return ("Newer image: " + ", ".join(f"{each.image} ({short_digest(each.digest)})" for each in found))[:500]


def upgrade_by_policy(now: datetime | None = None) -> int:
    """Follow the upgrades that policies began, and begin those that are due; return how many were begun."""
    now = now or timezone.now()
    for row in ImageUpgrade.objects.filter(outcome__in=OPEN).select_related("service"):
        _follow(row, now)
    candidates: dict[int, dict[int, list[ImageUpdate]]] = defaultdict(lambda: defaultdict(list))
    for each in ImageUpdate.objects.filter(state=ImageUpdate.NEWER, service__isnull=False).order_by("since", "pk"):
        candidates[each.environment_id][each.service_id or 0].append(each)
    policies = PolicyIndex() if candidates else None
    begun = 0
    for environment, services in candidates.items():
        due = {
            key: found
            for key, found in services.items()
            if policies is not None and policies.policy_of(environment, key).is_open(now)
        }
        begun += bool(due) and _begin_one(environment, due, now)
    return begun


def _follow(row: ImageUpgrade, now: datetime) -> None:
    """Note what came of an upgrade."""
    service, previous = row.service, row.previous_revision or 0
    judged = UpgradeObservation.objects.filter(service=service, revision=row.revision or 0).first()
    found = outcome_of(
        UpgradeNow(
            revision=row.revision or 0,
            previous=previous,
            current=previous if is_return_to(service, previous) else service.revision,
            phase=service.upgrade_phase,
            state=service.display_state,
            is_gone=service.removed is not None or service.removal_requested,
            is_watched=judged is not None and judged.ended is None,
        )
    )
    if found == row.outcome:
        return
    message = describe_outcome(found, judged.summary if judged is not None else "")
    same = ImageUpgrade.objects.filter(pk=row.pk, outcome=row.outcome, revision=row.revision)
    if same.update(outcome=found, message=message[:400], ended=None if found in OPEN else now):
        row_changed(row.environment_id, "service", service.pk)


def _begin_one(environment_id: int, due: Mapping[int, Sequence[ImageUpdate]], now: datetime) -> bool:
    """Begin the first of these upgrades that may begin, unless any goes on in the environment."""
    with transaction.atomic():
        Environment.objects.select_for_update(no_key=True).get(pk=environment_id)  # one process at a time
        if _is_busy(environment_id):
            return False
        locked = set(Lock.objects.filter(environment=environment_id).values_list("service", "stack"))
        tried = {row.service_id: row for row in ImageUpgrade.objects.filter(service__in=due)}
        rows = Service.all_objects.filter(pk__in=due, removed=None, desired="active").select_related(
            "stack", "environment", "update_policy_by"
        )
        for row in sorted(rows, key=lambda each: list(due).index(each.pk)):
            is_locked = any(row.pk == service or row.stack_id == stack for service, stack in locked)
            found = [each for each in due[row.pk] if row.image_pins.get(each.image) != each.digest]
            if is_locked or row.display_state != "active" or not found or _was_tried(tried.get(row.pk), found):
                continue
            if _try(row, found, now):
                return True
    return False


def _is_busy(environment_id: int) -> bool:
    """Whether an upgrade goes on, of a policy or of anybody."""
    if ImageUpgrade.objects.filter(environment=environment_id, outcome=GOING).exists():
        return True
    services = Service.all_objects.filter(environment=environment_id, removed=None, display_state__in=_BUSY)
    stacks = Stack.all_objects.filter(environment=environment_id, removed=None, display_state__in=_BUSY)
    return bool(services.exists() or stacks.exists())


def _was_tried(last: ImageUpgrade | None, found: Iterable[ImageUpdate]) -> bool:
    """Whether the last attempt was with these images, and is not over well."""
    if last is None or last.outcome == FINISHED:
        return False
    return last.outcome in OPEN or all(last.digests.get(each.image) == each.digest for each in found)


def _try(row: Service, found: Sequence[ImageUpdate], now: datetime) -> bool:
    """Begin an upgrade; one that is refused is noted, and counts as tried."""
    judged = None if row.verdict_settings else ENDS_BY_ITSELF.to_json()
    previous = row.revision
    outcome, message = GOING, ""
    try:
        with transaction.atomic():
            _begin(row, found, actor=SYSTEM, note="", judged=judged)
            _audit(row, found)
    except Problem as problem:
        outcome, message = REFUSED, problem.message
        log.info("service %s: %s", row.pk, problem)
    ImageUpgrade.objects.update_or_create(
        service_id=row.pk,
        defaults={
            "environment_id": row.environment_id,
            "digests": {each.image: each.digest for each in found},
            "revision": row.revision if outcome == GOING else None,
            "previous_revision": previous,
            "outcome": outcome,
            "message": message[:400],
            "started": now,
            "ended": None if outcome == GOING else now,
        },
    )
    row_changed(row.environment_id, "service", row.pk)
    return outcome == GOING


def _audit(row: Service, found: Iterable[ImageUpdate]) -> None:
    """What the loop does by itself is in no audit log; this is a decision that somebody else would have taken."""
    digests = {each.image: {"from": each.running, "to": each.digest} for each in found}
    request = {"by": "image update policy", "policyOf": policy_owner(row) or "installation", "images": digests}
    record(f"{row.KIND}.{UPGRADE}", actor=None, row=row, environment_id=row.environment_id, request=request)
