"""Having an upgrade go on that waits for the verdict on its first batch: a person has seen enough."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext as _

from apps.control.queue import enqueue_after_commit
from apps.control.services import note_progress, record
from apps.core.errors import ActionNotAvailable, Forbidden
from apps.core.events import row_changed
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.stacks.locks import require_unlocked
from apps.stacks.models import Service
from apps.stacks.upgrade import UPGRADING
from apps.stacks.verdict.observation import UpgradeObservation

ACTION = "continueupgrade"
STATES = frozenset({"upgrading"})


def is_judged_now(row: Service) -> bool:
    """Whether the service is in an upgrade that may wait for a verdict, as far as its own row says."""
    return row.upgrade_phase == UPGRADING and row.display_state in STATES and bool(row.upgrade.get("verdict"))


def service_continue_upgrade(row: Service, *, actor: Actor) -> None:
    """Have the other batches follow now, without the verdict on the first one; what is bad later still counts.

    Raises `Forbidden`, `Locked`, `ActionNotAvailable` when nothing is held back.
    """
    allowed = can(actor, "operate", row.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    require_unlocked(row, actor=actor, action=ACTION)
    with transaction.atomic():
        held = UpgradeObservation.objects.filter(
            service=row, revision=row.revision, stage=UpgradeObservation.FIRST_BATCH, ended=None
        )
        moved = {"stage": UpgradeObservation.REST, "window_from": None, "away": 0}
        if not is_judged_now(row) or not held.update(**moved):
            why = _("No batch of %(name)s waits for a verdict.") % {"name": row.name}
            raise ActionNotAvailable(why, field="action")
        note_progress(row, "Goes on without the verdict on the first batch, as requested.")
        record(f"{row.KIND}.{ACTION}", actor=actor, row=row, environment_id=row.environment_id)
        enqueue_after_commit(row.KIND, row.pk)
    row_changed(row.environment_id, row.KIND, row.pk)
