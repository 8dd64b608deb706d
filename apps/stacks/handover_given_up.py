"""A handover whose target is removed before it is decided: links and containers go back to the service it began at."""

from __future__ import annotations

from django.db import transaction

from apps.control.queue import enqueue_after_commit
from apps.control.services import note_progress, record
from apps.core.errors import Problem
from apps.environments.actor import SYSTEM
from apps.stacks.handover_services import lead_links_back
from apps.stacks.models import Service
from apps.stacks.plan import REMOVED_STATES
from apps.stacks.undo import is_removal_delayed
from apps.stacks.upgrade_services import service_upgrade_step

# Rolled back where that is possible; an upgrade that goes on is canceled first, and what was canceled on its way back
# ends as it stands.
_STEPS = ("rollback", "cancelupgrade", "finishupgrade")


def give_up_handover(row: Service) -> bool:
    """Take back what the service hands over to one that is being removed; of that one, let the links go back.

    Returns whether a change of the service was requested: then it has moved on, and its row here is out of date.
    """
    if row.desired == "removed":
        _return_links_of(row)
        return False
    return _take_back(row)


def _return_links_of(target: Service) -> None:
    """Let the links that moved to a service which is being removed lead back to those that hand over to it."""
    rows = Service.all_objects.filter(upgrade_target=target.pk, removed=None).exclude(desired__in=REMOVED_STATES)
    for row in rows:
        lead_links_back(row)
        enqueue_after_commit("service", row.pk)


def _take_back(row: Service) -> bool:
    """Request what brings the service nearer to the end of a handover whose target is being removed.

    Nothing is while the removal of the target can be undone, or where the service goes itself with its stack.
    """
    if row.upgrade_target_id is None or row.removal_requested or row.stack.removal_requested:
        return False
    target = Service.all_objects.get(pk=row.upgrade_target_id)
    if not target.removal_requested or is_removal_delayed(target):
        return False
    current = Service.all_objects.select_related("stack").get(pk=row.pk)
    action = next((each for each in _STEPS if current.LIFECYCLE.allows(each, current.display_state)), None)
    if action is None or current.generation != row.generation:
        return False
    why = f"{target.name}, which was to take over, is removed."
    event = f"{current.KIND}.{action}"
    try:
        with transaction.atomic():
            service_upgrade_step(current, action, actor=SYSTEM, reason={"reason": why})
            note_progress(current, why)
            # What the loop does by itself is in no audit log; this is a decision that somebody else would have taken.
            record(event, actor=None, row=current, environment_id=current.environment_id, request={"reason": why})
    except Problem:  # another change came first: the next reconcile looks again
        return False
    return True
