"""Locking and unlocking stacks and services, and how a lock is shown."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.request_context import RequestContext, member_required, post_required
from apps.core.errors import Invalid
from apps.environments.access import Verdict
from apps.stacks.locks import PERMISSION, has_own_lock, lock_refusal, lock_remove, lock_set
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import stacks_of


def find_lockable(ctx: RequestContext, kind: str, pk: int) -> Stack | Service:
    """A stack or service of this environment."""
    if kind == Stack.KIND:
        return ctx.get_or_404(stacks_of(ctx.actor, ctx.env.pk), pk)
    rows = Service.objects.within([ctx.env.pk]).filter(removed=None).select_related("stack")
    return ctx.get_or_404(rows, pk)


@member_required
def lock(ctx: RequestContext, pk: int, kind: str) -> HttpResponse:
    """Ask why, then lock."""
    row = find_lockable(ctx, kind, pk)
    ctx.require_permission(PERMISSION)
    reason, errors = ctx.request.POST.get("reason", ""), {}
    if ctx.request.method == "POST":
        try:
            lock_set(row, reason, actor=ctx.actor)
            return ctx.success_response(_("Locked %(name)s.") % {"name": row.name})
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    context = {"row": row, "reason": reason, "errors": errors}
    return ctx.render("console/lock.html", context, status=422 if errors else 200)


@member_required
@post_required
def unlock(ctx: RequestContext, pk: int, kind: str) -> HttpResponse:
    """Take the lock away."""
    row = find_lockable(ctx, kind, pk)
    lock_remove(row, actor=ctx.actor)
    return ctx.success_response(_("Unlocked %(name)s.") % {"name": row.name})


def lock_button(ctx: RequestContext, row: Stack | Service) -> buttons.Button:
    """What the row offers: locking it, or taking its own lock away."""
    allowed = ctx.can(PERMISSION)
    if has_own_lock(ctx.actor, row):
        return buttons.Button("unlock", _("Unlock"), "lock-open", buttons.row_url(row, "unlock"), *_answer(allowed))
    if row.removal_requested:
        allowed = Verdict(allowed=False, reason=_("It is being deleted."))
    url = buttons.row_url(row, "lock")
    return buttons.Button("lock", _("Lock"), "lock", url, *_answer(allowed), is_dialog=True)


def _answer(allowed: Verdict) -> tuple[bool, str]:
    return allowed.allowed, allowed.reason


def may_change(ctx: RequestContext, row: Stack | Service) -> Verdict:
    """Whether the actor may change the row in ways that are no action of its life cycle, such as adding a service."""
    allowed = ctx.can("operate")
    reason = lock_refusal(ctx.actor, "update", row) if allowed else ""
    return Verdict(allowed=False, reason=reason, is_locked=True) if reason else allowed
