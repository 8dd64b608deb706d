"""Restarting a service in the console: a dialog that asks how many containers at a time."""

from __future__ import annotations

from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.batches_form import DEFAULT_BATCHES, parse_batches, parse_min_ready
from apps.console.stacks.services import find
from apps.core.errors import Invalid
from apps.environments.access import verdict
from apps.stacks.restart_services import RestartStrategy, service_restart


@member_required
def restart(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask how, then start the rolling restart."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    values, errors = {**DEFAULT_BATCHES}, {}
    if ctx.request.method == "POST":
        values = {name: ctx.request.POST.get(name, "") for name in DEFAULT_BATCHES}
        try:
            service_restart(row, actor=ctx.actor, strategy=_strategy(ctx.request.POST))
            return ctx.success_response(_("Restarting %(name)s.") % {"name": row.name})
        except Invalid as problem:
            errors = {problem.field: problem.message}
    context = {"row": row, "values": values, "errors": errors, "verdict": verdict(ctx.actor, "restart", row)}
    return ctx.render("console/service_restart.html", context, status=422 if errors else 200)


def _strategy(sent: QueryDict) -> RestartStrategy:
    return RestartStrategy(*parse_batches(sent), parse_min_ready(sent))
