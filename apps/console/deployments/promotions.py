"""Promotions: the list of those that concern the person's environments, one of them, and what is decided about it."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.listing import count_states, filter_state, paginate, query_filters, sort_rows
from apps.console.request_context import RequestContext, login_required, member_required, post_required
from apps.core.errors import ActionNotAvailable, Problem
from apps.environments.access import Verdict, verdict
from apps.environments.models import Environment
from apps.environments.selectors import environments_of
from apps.stacks.promotions.lifecycle import WAITING_FOR_APPROVAL, WAITING_FOR_WINDOW
from apps.stacks.promotions.models import Promotion
from apps.stacks.promotions.rules import rules_by_environment, rules_of
from apps.stacks.promotions.selectors import promotions_into, promotions_of
from apps.stacks.promotions.services import (
    preview_requested,
    promotion_approve,
    promotion_refuse,
    promotion_undo,
    undo_refusal,
)

COLUMNS = {"name": "name", "state": "display_state", "created": "created"}


@login_required
def index(ctx: RequestContext) -> HttpResponse:
    """The promotions into and out of the environments that the person sees, the newest first."""
    seen = {row.pk: row for row in environments_of(ctx.actor, everything=True).filter(removed=None)}
    filters = query_filters(ctx.request, "q", "state")
    everything = promotions_of(seen)
    rows = everything
    if filters["q"]:
        text = filters["q"]
        rows = rows.filter(Q(name__icontains=text) | Q(note__icontains=text) | Q(account__name__icontains=text))
    states = count_states(rows)
    rows = filter_state(rows, filters["state"])
    sort = ctx.request.GET.get("sort", "")
    page = paginate(ctx.request, sort_rows(rows, sort, COLUMNS) if sort else rows.order_by("-pk"), filters)
    context = {
        "page": page,
        "seen": seen,
        "states": states,
        "entries": [(row, row.environment_id in seen, row.source_environment_id in seen) for row in page.rows],
        "rules": _rules(seen),
    }
    return ctx.render("console/promotions.html", context)


def _rules(seen: dict[int, Environment]) -> list[tuple[Environment, str]]:
    """What promotions into each environment take, in words."""
    found = rules_by_environment(list(seen))
    texts = []
    for key, row in sorted(seen.items(), key=lambda pair: pair[1].name.lower()):
        rules = found[key]
        parts = [_("approval by a second person")] if rules.needs_approval else []
        parts += [rules.window.describe()] if rules.days else []
        texts.append((row, ", ".join(parts) or _("no conditions")))
    return texts


def _find(ctx: RequestContext, pk: int) -> Promotion:
    return ctx.get_or_404(promotions_into(ctx.actor, ctx.env.pk), pk)


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One promotion: what it does or did, who decided what."""
    row = _find(ctx, pk)
    is_waiting = row.display_state in {WAITING_FOR_APPROVAL, WAITING_FOR_WINDOW}
    preview = preview_requested(row) if is_waiting else None
    sees_source = row.source_environment_id is not None and "view" in ctx.actor.permissions(row.source_environment_id)
    context = {
        "row": row,
        "preview": preview,
        "changes": preview.changes if preview else (),
        "sees_source": sees_source,
        "approve": _may_approve(ctx, row, preview.problems if preview else ()),
        "approve_url": buttons.row_url(row, "do", action="approve"),
        "refuse": buttons.custom_button(
            _("Refuse"), "x", buttons.row_url(row, "refuse"), verdict(ctx.actor, "refuse", row), is_dialog=True
        ),
        "undo": _undo_button(ctx, row),
        "rules": rules_of(ctx.env.pk),
        "is_waiting": is_waiting,
    }
    return ctx.render("console/promotion.html", context)


def _may_approve(ctx: RequestContext, row: Promotion, problems: tuple[str, ...]) -> Verdict:
    found = verdict(ctx.actor, "approve", row)
    if found and ctx.actor.user is not None and ctx.actor.user.pk == row.account_id:
        return Verdict(allowed=False, reason=_("You requested it: somebody else has to approve it."))
    return Verdict(allowed=False, reason=" ".join(problems)) if found and problems else found


def _undo_button(ctx: RequestContext, row: Promotion) -> buttons.Button:
    reason = undo_refusal(row)
    allowed = verdict(ctx.actor, "undo", row)
    allowed = Verdict(allowed=False, reason=reason) if allowed and reason else allowed
    url = buttons.row_url(row, "do", action="undo")
    return buttons.custom_button(_("Undo"), "arrow-back-up", url, allowed, action="undo")


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Approve what was looked at, or undo it."""
    row = _find(ctx, pk)
    if action == "approve":
        promotion_approve(row, actor=ctx.actor, based_on=ctx.request.POST.get("basedOn", ""))
        return ctx.success_response(_("Approved the promotion of %(name)s.") % {"name": row.name})
    if action == "undo":
        promotion_undo(row, actor=ctx.actor)
        return ctx.success_response(_("%(name)s goes back to what it was before.") % {"name": row.name})
    raise Problem(_("There is no such action."), status=404)


@member_required
def refuse(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for the reason, then refuse or withdraw it."""
    row = _find(ctx, pk)
    decision = verdict(ctx.actor, "refuse", row)
    errors = {}
    if ctx.request.method == "POST":
        try:
            promotion_refuse(row, actor=ctx.actor, reason=ctx.request.POST.get("reason", ""))
            return ctx.success_response(
                _("Refused the promotion of %(name)s.") % {"name": row.name}, buttons.row_url(row, "")
            )
        except ActionNotAvailable as problem:
            errors = {"form": problem.message}
        except Problem as problem:
            errors = {"reason" if problem.field == "note" else "form": problem.message}
    context = {"row": row, "errors": errors, "reason": "" if decision else decision.reason}
    return ctx.render("console/promotion_refuse.html", context, status=422 if errors else 200)
