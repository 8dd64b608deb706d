"""How many containers a service has, and when: changed in a dialog from one kind to another."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.schedule_form import schedule_choices
from apps.console.stacks.service_kind_form import FIELD, NUMBER, ONCE, kind_errors, kind_values, parse_kind
from apps.console.stacks.services import find, parse_scale
from apps.containers.launch.kind_labels import is_global
from apps.core.errors import Conflict, Problem
from apps.environments.access import Verdict, verdict
from apps.stacks.models import Service
from apps.stacks.services import service_update

TEMPLATE = "console/service_policies.html"


def change_verdict(ctx: RequestContext, row: Service) -> Verdict:
    """Whether the kind can be changed here: a label makes a service global, and labels change with an upgrade."""
    if not row.has_containers:
        return Verdict(allowed=False, reason=row.refusal("upgrade"))
    if is_global(row.config):
        why = _("A label has it run on each host; upgrade it to a configuration without that label first.")
        return Verdict(allowed=False, reason=why)
    return verdict(ctx.actor, "update", row)


@member_required
def policies(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for a number, limits or a schedule, then change to it; what does not go with the choice is taken away."""
    ctx.require_permission("operate")
    row, sent = find(ctx, pk), ctx.request.POST
    values, errors = kind_values(row), dict[str, str]()
    if values[FIELD] == ONCE:  # by a label, whatever the number of its jobs
        values[FIELD] = NUMBER
    allowed = change_verdict(ctx, row)
    if ctx.request.method == "POST":
        values = {**values, **sent.dict(), "catchUp": sent.get("catchUp", "")}
        try:
            _change(ctx, row, allowed)
            return ctx.success_response(_("Changed %(name)s.") % {"name": row.name})
        except Problem as problem:
            errors = kind_errors(problem) or {str(problem.field or FIELD): problem.message}
    context = {"row": row, "values": values, "errors": errors, "verdict": allowed, "without_global": True}
    return ctx.render(TEMPLATE, {**context, **schedule_choices()}, status=422 if errors else 200)


def _change(ctx: RequestContext, row: Service, allowed: Verdict) -> None:
    if not allowed:
        raise Conflict(allowed.reason)
    sent = ctx.request.POST
    changes: dict[str, Any] = parse_kind(sent)
    if sent.get(FIELD, NUMBER) == NUMBER:
        changes["scale"] = parse_scale(sent.get("scale", ""))
    service_update(row, actor=ctx.actor, **changes)
