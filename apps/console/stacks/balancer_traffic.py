"""The part of a balancer's page that shows what passes through it, and keeps itself current."""

from __future__ import annotations

from django.http import HttpResponse

from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.services import find
from apps.core.errors import NotFound
from apps.stacks.balancer.traffic import traffic_of
from apps.stacks.service_options import BALANCER


@member_required
def balancer_traffic(ctx: RequestContext, pk: int) -> HttpResponse:
    """The traffic of each rule, as all who watch it see it."""
    row = find(ctx, pk)
    if row.kind != BALANCER:
        raise NotFound(f"{row} is no balancer.")
    return ctx.render("console/parts/balancer_traffic.html", {"traffic": traffic_of(row)})
