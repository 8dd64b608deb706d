"""What was asked and how far it is."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.door import Visit, admins, inside, posted
from apps.console.listing import listing, words
from apps.control.cancel import cancellable, operation_cancel, operation_retry, repeatable
from apps.control.models import OPEN, Operation
from apps.control.selectors import tree_below

STATES = ("open", "failed", "succeeded", "superseded", "cancelled")


def _narrowed(rows: QuerySet[Operation], asked: dict[str, str]) -> QuerySet[Operation]:
    if asked["state"] == "open":
        rows = rows.filter(state__in=OPEN)
    elif asked["state"] in STATES:
        rows = rows.filter(state=asked["state"])
    if asked["q"]:
        rows = rows.filter(Q(target_name__icontains=asked["q"]) | Q(name__icontains=asked["q"]))
    if asked["kind"]:
        rows = rows.filter(kind=asked["kind"])
    if asked["who"] == "people":
        rows = rows.exclude(account=None)
    return rows


def _operations(visit: Visit, rows: Any, title: str) -> HttpResponse:
    asked = words(visit.request, "q", "state", "kind", "who")
    page = listing(visit.request, _narrowed(rows, asked).select_related("account", "environment"), asked)
    context = {"page": page, "title": title, "states": STATES}
    return visit.show("console/activity.html", context)


@inside
def index(visit: Visit) -> HttpResponse:
    """The operations of one environment."""
    return _operations(visit, Operation.objects.within([visit.env.pk]), _("Activity"))


@admins
def processes(visit: Visit) -> HttpResponse:
    """The operations of every environment."""
    everywhere = visit.actor.environments("view", everything=True)
    return _operations(visit, Operation.objects.within(everywhere), _("Processes"))


@inside
def detail(visit: Visit, pk: int) -> HttpResponse:
    """One operation with its steps and what it led to."""
    rows = Operation.objects.within([visit.env.pk])
    row = visit.row(rows.select_related("account", "parent"), pk)
    context = {
        "row": row,
        "lines": list(row.lines.all()[:500]),
        "children": tree_below(row, rows.select_related("account")),
        "retry": repeatable(row, visit.actor),
        "cancel": cancellable(row, visit.actor),
    }
    return visit.show("console/operation.html", context)


@inside
@posted
def retry(visit: Visit, pk: int) -> HttpResponse:
    """Have what failed tried again, and what is going on looked at now."""
    row = visit.row(Operation.objects.within([visit.env.pk]), pk)
    made = operation_retry(row, actor=visit.actor)
    if made == row:
        return visit.done(_("Looking again."))
    return visit.done(_("Trying again."), visit.url("operation", pk=made.pk))


@inside
def cancel(visit: Visit, pk: int) -> HttpResponse:
    """Say what becomes of it; then take the wish back."""
    row = visit.row(Operation.objects.within([visit.env.pk]), pk)
    if visit.request.method == "POST":
        operation_cancel(row, actor=visit.actor)
        return visit.done(_("Cancelled."), visit.url("operation", pk=row.pk))
    answer = cancellable(row, visit.actor)
    birth = row.name.endswith((".create", ".register"))
    return visit.show("console/operation_cancel.html", {"row": row, "answer": answer, "birth": birth})
