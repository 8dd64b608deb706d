"""Operations: what was requested, and how far it is."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components.listing import paginate, query_filters
from apps.console.request_context import (
    RequestContext,
    admin_required,
    member_required,
    post_required,
)
from apps.control.cancel import (
    can_cancel,
    can_retry,
    operation_cancel,
    operation_retry,
)
from apps.control.models import PENDING_STATES, Operation
from apps.control.selectors import descendants_of, parts_progress

STATES = ("open", "failed", "succeeded", "superseded", "cancelled")
KINDS = ("container", "service", "stack", "host", "pull", "environment", "apiKey")


def _apply_filters(rows: QuerySet[Operation], filters: dict[str, str]) -> QuerySet[Operation]:
    if filters["state"] == "open":
        rows = rows.filter(state__in=PENDING_STATES)
    elif filters["state"] in STATES:
        rows = rows.filter(state=filters["state"])
    if filters["q"]:
        rows = rows.filter(Q(target_name__icontains=filters["q"]) | Q(name__icontains=filters["q"]))
    if filters["kind"]:
        rows = rows.filter(kind=filters["kind"])
    if filters["who"] == "people":
        rows = rows.exclude(account=None)
    return rows


def _operations(ctx: RequestContext, rows: Any, title: str) -> HttpResponse:
    filters = query_filters(ctx.request, "q", "state", "kind", "who")
    page = paginate(ctx.request, _apply_filters(rows, filters).select_related("account", "environment"), filters)
    context = {
        "page": page,
        "title": title,
        "states": [(state, None) for state in STATES],
        "kinds": [(kind, kind) for kind in KINDS],
        "who": [("people", _("People"))],
    }
    return ctx.render("console/activity.html", context)


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The operations of one environment."""
    return _operations(ctx, Operation.objects.within([ctx.env.pk]), _("Activity"))


@admin_required
def processes(ctx: RequestContext) -> HttpResponse:
    """The operations of every environment."""
    everywhere = ctx.actor.environments("view", everything=True)
    return _operations(ctx, Operation.objects.within(everywhere), _("Processes"))


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One operation with its steps and the operations it led to."""
    rows = Operation.objects.within([ctx.env.pk])
    row = ctx.get_or_404(rows.select_related("account", "parent"), pk)
    context = {
        "row": row,
        "lines": list(row.lines.all()[:500]),
        "children": descendants_of(row, rows.select_related("account")),
        "parts": parts_progress(row, rows),
        "retry": can_retry(row, ctx.actor),
        "cancel": can_cancel(row, ctx.actor),
    }
    return ctx.render("console/operation.html", context)


@member_required
@post_required
def retry(ctx: RequestContext, pk: int) -> HttpResponse:
    """Retry a failed operation, or reconcile a pending one now."""
    row = ctx.get_or_404(Operation.objects.within([ctx.env.pk]), pk)
    retried = operation_retry(row, actor=ctx.actor)
    if retried == row:
        return ctx.success_response(_("Reconciling again."))
    return ctx.success_response(_("Trying again."), ctx.url("operation", pk=retried.pk))


@member_required
def cancel(ctx: RequestContext, pk: int) -> HttpResponse:
    """Show what cancelling would do; then cancel."""
    row = ctx.get_or_404(Operation.objects.within([ctx.env.pk]), pk)
    if ctx.request.method == "POST":
        operation_cancel(row, actor=ctx.actor)
        return ctx.success_response(_("Cancelled."), ctx.url("operation", pk=row.pk))
    verdict = can_cancel(row, ctx.actor)
    is_creation = row.name.endswith((".create", ".register"))
    return ctx.render("console/operation_cancel.html", {"row": row, "verdict": verdict, "is_creation": is_creation})
