"""Upgrading a service to another one in the console: a dialog that asks which, how far and how."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.batches_form import DEFAULT_BATCHES, parse_batches, parse_min_ready
from apps.console.stacks.services import find
from apps.core.errors import Invalid, Problem
from apps.environments.access import verdict
from apps.stacks.handover_services import HandoverStrategy, handover_refusal, handover_targets, service_hand_over
from apps.stacks.models import Service

_FIELDS = frozenset({"target", "finalScale", *DEFAULT_BATCHES})


@member_required
def hand_over(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask which service takes over and how, then start it."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    choices = handover_targets(row, actor=ctx.actor)
    values = {**DEFAULT_BATCHES, "target": "", "finalScale": str(row.scale), "updateLinks": "on"}
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        sent = ctx.request.POST
        values = {name: sent.get(name, "") for name in values}
        try:
            target = _chosen(ctx, values["target"])
            service_hand_over(row, target, actor=ctx.actor, strategy=_strategy(sent))
            text = _("%(target)s takes over from %(name)s.") % {"target": target.name, "name": row.name}
            return ctx.success_response(text, buttons.row_url(row, ""))
        except Problem as problem:
            name = str(problem.field or "").rpartition(".")[2].replace("toServiceId", "target")
            errors = {name if name in _FIELDS else "form": problem.message}
    context = {
        "row": row,
        "choices": choices,
        "values": values,
        "errors": errors,
        "reason": verdict(ctx.actor, "upgrade", row).reason or _no_choice(row, choices),
    }
    return ctx.render("console/service_handover.html", context, status=422 if errors else 200)


def _no_choice(row: Service, choices: Sequence[Service]) -> str:
    """Why nothing can be chosen, and what to do first; empty when something can."""
    if choices:
        return ""
    return handover_refusal(row) or _(
        "No other service can take over now: it needs a scale, is started or stopped, not locked, and in no upgrade. "
        "Add one with a scale of 0 first."
    )


def _chosen(ctx: RequestContext, sent: str) -> Service:
    """The service that was sent; one that is not offered any more is refused with its reason by what is asked for."""
    key = int(sent) if sent.isascii() and sent.isdigit() and len(sent) < 19 else 0
    found = Service.objects.within([ctx.env.pk]).filter(pk=key, removed=None).select_related("stack").first()
    if found is None:
        raise Invalid("target", "MissingRequired", _("Choose the service that takes over."))
    return found


def _strategy(sent: QueryDict) -> HandoverStrategy:
    text = sent.get("finalScale", "").strip()
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 9):
        raise Invalid("finalScale", "InvalidFormat", _("Enter how many containers it has in the end, such as 2."))
    try:
        return HandoverStrategy(int(text), *parse_batches(sent), bool(sent.get("updateLinks")), parse_min_ready(sent))
    except Invalid as problem:
        field = str(problem.field).replace("scale", "finalScale")
        raise Invalid(field, problem.code, problem.message) from None
