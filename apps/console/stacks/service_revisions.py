"""The revisions of a service in the console: the list, what differs between two, and the way back."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.freshness import combined_freshness
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.batches_form import DEFAULT_BATCHES, parse_batches, parse_min_ready
from apps.console.stacks.services import find, freshness_rows
from apps.core.errors import Invalid, Problem
from apps.environments.access import verdict
from apps.stacks.balancer.revisions import changes_between
from apps.stacks.models import Service, ServiceRevision
from apps.stacks.revisions import find_revision, revisions_of
from apps.stacks.service_returns import ReturnDraft, preview_service_return, service_return_to
from apps.stacks.stack_plan import UNCHANGED, UPDATE
from apps.stacks.upgrade_strategy import UpgradeStrategy

MAX_LISTED = 100
_STRATEGY = {**DEFAULT_BATCHES, "order": "stop-first", "note": ""}


@member_required
def index(ctx: RequestContext, pk: int) -> HttpResponse:
    """The revisions, and what differs between the two that were chosen: at first the newest two."""
    row = find(ctx, pk)
    found = list(revisions_of(row)[:MAX_LISTED])
    before, after = _chosen(ctx, row, found)
    context = {
        "row": row,
        "revisions": found,
        "before": before,
        "after": after,
        "changes": changes_between(before, after) if before and after else (),
        "upgrade_verdict": verdict(ctx.actor, "upgrade", row),
        "freshness": combined_freshness(freshness_rows(ctx, row)),
    }
    return ctx.render("console/service_revisions.html", context)


def _chosen(
    ctx: RequestContext, row: Service, found: Sequence[ServiceRevision]
) -> tuple[ServiceRevision | None, ServiceRevision | None]:
    """The two revisions to compare; a number that is none is as good as none."""
    newest = found[0] if found else None
    before = found[1] if len(found) > 1 else newest
    return _sent(ctx, row, "from", before), _sent(ctx, row, "to", newest)


def _sent(ctx: RequestContext, row: Service, name: str, default: ServiceRevision | None) -> ServiceRevision | None:
    text = ctx.request.GET.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return default
    try:
        return find_revision(row, int(text))
    except Invalid:
        return default


@member_required
def return_to(ctx: RequestContext, pk: int, number: int) -> HttpResponse:
    """Show what going back changes and ask how, then start it."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    try:
        draft = preview_service_return(row, number, actor=ctx.actor, strategy=UpgradeStrategy())
    except Invalid as problem:
        raise Problem(problem.message, status=404) from None
    in_place = draft.what in {UPDATE, UNCHANGED}
    values, errors = dict(_STRATEGY), {}
    if ctx.request.method == "POST":
        values = {name: ctx.request.POST.get(name, "") for name in _STRATEGY}
        try:
            strategy = UpgradeStrategy() if in_place else _strategy(ctx)
            service_return_to(row, number, actor=ctx.actor, strategy=strategy, note=values["note"])
            text = _("%(name)s goes back to revision %(number)d.") % {"name": row.name, "number": number}
            return ctx.success_response(text, buttons.row_url(row, ""))
        except Invalid as problem:
            known = problem.field if problem.field in {*_STRATEGY, "startFirst"} else "form"
            errors = {known: problem.message}
    context = {
        "row": row,
        "revision": draft.revision,
        "draft": draft,
        "in_place": in_place,
        "values": values,
        "errors": errors,
        "reason": _why_not(draft),
    }
    return ctx.render("console/service_return.html", context, status=422 if errors else 200)


def _why_not(draft: ReturnDraft) -> str:
    """Why going back is not possible now; empty when it is."""
    return draft.problem or (_("There is no difference.") if draft.what == UNCHANGED else "")


def _strategy(ctx: RequestContext) -> UpgradeStrategy:
    sent = ctx.request.POST
    is_first = sent.get("order") == "start-first"
    return UpgradeStrategy(*parse_batches(sent), is_first, min_ready=parse_min_ready(sent))
