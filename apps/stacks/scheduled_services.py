"""What people ask of scheduled services: a schedule, no schedule any more, a run right now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.containers.launch.kind_labels import GLOBAL_LABEL, is_global
from apps.control.services import request_change
from apps.core.errors import Conflict, Invalid
from apps.environments.actor import Actor
from apps.stacks.models import RUN_NOW, Service, ServiceRun
from apps.stacks.run_plan import BY_HAND, LIVE
from apps.stacks.schedule import SKIP, Schedule, schedule_from_labels, starting
from apps.stacks.service_options import SERVICE, without_containers


def new_schedule(data: Mapping[str, Any] | None, labels: Mapping[str, str]) -> dict[str, Any]:
    """The schedule of a new service as it is stored, of what was sent or of its labels. Raises `Invalid`."""
    found = Schedule.from_wire(data) or schedule_from_labels(labels)
    return found.to_json(timezone.now()) if found else {}


def changed_schedule(row: Service, data: Mapping[str, Any] | None) -> dict[str, Any]:
    """The schedule that takes the place of a service's, as it is stored. Raises `Invalid`.

    What was due by the one before does not come any more, and what is only kept or limited otherwise goes on.
    """
    found, before = Schedule.from_wire(data), row.timetable
    if found is None:
        return {}
    goes_on = before is not None and (found.cron, found.time_zone) == (before.cron, before.time_zone)
    stored = found.to_json(timezone.now())
    return {**stored, "since": row.schedule["since"]} if goes_on else stored


def check_schedulable(row: Service) -> None:
    """Refuse a schedule together with what says otherwise how many containers there are. Raises `Invalid`."""
    if not row.schedule:
        return
    why = ""
    if row.kind != SERVICE or not row.has_containers:
        why = without_containers(row.kind)
    elif is_global(row.config):
        why = f"its label {GLOBAL_LABEL} has it run on each host; drop the label or the schedule"
    elif row.scale_policy:
        why = "its scalePolicy has it run all the time; drop the policy or the schedule"
    elif row.secondary:
        why = "its sidekicks run as long as their service; leave them out, or have another service do their work"
    if why:
        raise Invalid("schedule", "InvalidOption", f"{row.name} cannot be scheduled: {why}.")


def activation_columns(row: Service) -> dict[str, Any]:
    """What a start changes: what was due while the service was stopped was not missed."""
    return {"schedule": starting(row.schedule, timezone.now())} if row.schedule else {}


def service_run_now(row: Service, *, actor: Actor) -> ServiceRun:
    """Have a scheduled service run once, now; what goes on already is treated as the schedule says.

    Raises `Forbidden`, `ActionNotAvailable`, and `Conflict` where a run that goes on, or waits, is not replaced.
    """
    try:
        with transaction.atomic():
            request_change(row, RUN_NOW, actor=actor)
            _require_room(row)
            now = timezone.now()
            made = {"due_at": now, "first_due_at": now, "created": now}
            return ServiceRun.objects.create(service=row, trigger=BY_HAND, account=actor.user, **made)
    except IntegrityError:
        raise Conflict(f"{row.name} was run by somebody else in the same moment; look again.") from None


def _require_room(row: Service) -> None:
    live = list(ServiceRun.objects.filter(service=row, state__in=LIVE).values_list("state", flat=True))
    if "waiting" in live:
        raise Conflict(f"A run of {row.name} is waiting to start already.")
    if live and row.timetable is not None and row.timetable.overlap == SKIP:
        raise Conflict(f"{row.name} is running; wait for the end of that run, or have its schedule replace it.")
