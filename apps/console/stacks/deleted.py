"""What was deleted lately in an environment, and bringing it back or deleting it for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.request_context import RequestContext, member_required, post_required
from apps.core.errors import NotFound
from apps.environments.access import verdict
from apps.stacks.left_volumes import LeftVolumes, left_by_stacks
from apps.stacks.models import Service, Stack
from apps.stacks.restore import deleted_rows, restorable_until, restore_days, service_restore, stack_restore
from apps.stacks.services import service_act
from apps.stacks.stack_upgrade import stack_act
from apps.volumes.selectors import volumes_of

MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class DeletedLine:
    """One line of the list; `left` are the volumes that a stack has left on its hosts."""

    row: Stack | Service
    until: datetime | None
    restore: buttons.Button
    purge: buttons.Button
    left: LeftVolumes | None = None


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The list, the newest deletion first."""
    days = restore_days()
    rows = deleted_rows(ctx.actor, ctx.env.pk)[:MAX_SHOWN]
    stacks = [row.pk for row in rows if isinstance(row, Stack)]
    left = left_by_stacks(volumes_of(ctx.actor, ctx.env.pk), stacks) if stacks else {}
    context = {"lines": [_line(ctx, row, days, left) for row in rows], "days": days}
    return ctx.render("console/deleted.html", context)


def _line(ctx: RequestContext, row: Stack | Service, days: int, left: Mapping[int, LeftVolumes]) -> DeletedLine:
    restore, purge = verdict(ctx.actor, "restore", row), verdict(ctx.actor, "purge", row)
    is_allowed, reason = restore.allowed, restore.reason
    if is_allowed and isinstance(row, Service) and row.stack.removed is not None:
        is_allowed, reason = False, _("Its stack is deleted: restore that first.")
    restore_url, purge_url = buttons.row_url(row, "restore"), buttons.row_url(row, "purge")
    return DeletedLine(
        row,
        restorable_until(row, days),
        buttons.Button("restore", _("Restore"), "arrow-back-up", restore_url, is_allowed, reason),
        buttons.Button("purge", _("Delete for good"), "trash", purge_url, purge.allowed, purge.reason, is_dialog=True),
        left.get(row.pk) if isinstance(row, Stack) else None,
    )


def _find(ctx: RequestContext, kind: str, pk: int) -> Stack | Service:
    """A deleted stack or service of this environment; what is there is found on its own page."""
    found = [row for row in deleted_rows(ctx.actor, ctx.env.pk) if (row.KIND, row.pk) == (kind, pk)]
    if not found:
        raise NotFound(_("Not found, restored already, or its time is over."))
    return found[0]


@member_required
@post_required
def restore(ctx: RequestContext, pk: int, kind: str) -> HttpResponse:
    """Bring it back and go to its page."""
    row = _find(ctx, kind, pk)
    before = row.name
    done = stack_restore(row, actor=ctx.actor) if isinstance(row, Stack) else service_restore(row, actor=ctx.actor)
    message = _("Restoring %(name)s.") % {"name": row.name}
    if row.name != before:
        text = _("Restoring %(before)s as %(name)s: its old name is taken.")
        message = text % {"before": before, "name": row.name}
    return ctx.success_response(" ".join([message, *done.missing]), buttons.row_url(row, ""))


@member_required
def purge(ctx: RequestContext, pk: int, kind: str) -> HttpResponse:
    """Ask, then delete it for good."""
    row = _find(ctx, kind, pk)
    if ctx.request.method != "POST":
        return ctx.render("console/purge.html", {"row": row})
    if isinstance(row, Stack):
        stack_act(row, "purge", actor=ctx.actor)
    else:
        service_act(row, "purge", actor=ctx.actor)
    return ctx.success_response(_("%(name)s is deleted for good.") % {"name": row.name})
