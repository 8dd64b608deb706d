"""Recorded statistics of a host or container, for the charts."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse

from apps.console.hosts import hosts
from apps.console.request_context import RequestContext, member_required
from apps.containers.selectors import containers_of
from apps.hosts.stats.history import downsample, parse_hours, read_history


@member_required
def host_history(ctx: RequestContext, pk: int) -> HttpResponse:
    """The recorded statistics of a host."""
    return _points(ctx, hosts.find(ctx, pk))


@member_required
def container_history(ctx: RequestContext, pk: int) -> HttpResponse:
    """The recorded statistics of a container."""
    return _points(ctx, ctx.get_or_404(containers_of(ctx.actor, ctx.env.pk), pk))


def _points(ctx: RequestContext, row: Any) -> HttpResponse:
    hours = parse_hours(ctx.request.GET.get("hours", ""))
    return JsonResponse({"points": downsample(read_history(row, hours))})
