"""The rules of an environment for promotions into it: a second person's approval, and a change window."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.request_context import RequestContext, member_required
from apps.core.errors import Problem
from apps.stacks.cron import time_zones
from apps.stacks.promotions.rules import describe_rules, rules_of, rules_set
from apps.stacks.promotions.window import DAYS

DAY_NAMES = dict(
    zip(
        DAYS,
        (
            gettext_lazy("Monday"),
            gettext_lazy("Tuesday"),
            gettext_lazy("Wednesday"),
            gettext_lazy("Thursday"),
            gettext_lazy("Friday"),
            gettext_lazy("Saturday"),
            gettext_lazy("Sunday"),
        ),
        strict=True,
    )
)


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The rules: every member may read them, owners may change them."""
    values, errors = describe_rules(rules_of(ctx.env.pk)), {}
    if ctx.request.method == "POST":
        sent = ctx.request.POST
        values = {
            "needsApproval": bool(sent.get("needsApproval")),
            "refuseOutside": sent.get("outside") == "refuse",
            "windowDays": sent.getlist("windowDays"),
            "windowStart": sent.get("windowStart", ""),
            "windowEnd": sent.get("windowEnd", ""),
            "windowTimeZone": sent.get("windowTimeZone", ""),
        }
        try:
            rules_set(ctx.env, values, actor=ctx.actor)
            return ctx.success_response(_("Saved the rules for promotions."), ctx.url("promotion-rules"))
        except Problem as problem:
            errors = {problem.field if problem.field in values else "form": problem.message}
    context = {
        "values": values,
        "errors": errors,
        "days": [(name, label, name in values["windowDays"]) for name, label in DAY_NAMES.items()],
        "zones": time_zones(),
        "may_decide": ctx.can("own"),
    }
    return ctx.render("console/promotion_rules.html", context, status=422 if errors else 200)
