"""Logs: the pages that follow them, and their older lines, search and download."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from apps.console.components.freshness import combined_freshness
from apps.console.containers.containers import find
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks import services, stacks
from apps.containers.log_pages import LogPage, download_lines, lines_before, lines_between, search_lines
from apps.containers.models import Container
from apps.core.streams import streaming_download
from apps.stacks.models import Service

MAX_CONTAINERS = 12  # a page opens a socket to each, and an account may hold 100


@member_required
def container(ctx: RequestContext, pk: int) -> HttpResponse:
    """The log of a container, followed live."""
    row = find(ctx, pk)
    context = {"row": row, "tab": "logs", "allowed": ctx.can("logs"), "sources": [row]}
    return ctx.render("console/container_logs.html", context)


@member_required
def service(ctx: RequestContext, pk: int) -> HttpResponse:
    """The logs of a service's containers, merged by time."""
    row = services.find(ctx, pk)
    return ctx.render("console/service_logs.html", {"row": row, **_sources(ctx, [str(row.uuid)])})


@member_required
def stack(ctx: RequestContext, pk: int) -> HttpResponse:
    """The logs of all containers of a stack, merged by time."""
    row = stacks.find(ctx, pk)
    keys = [str(uuid) for uuid in Service.objects.within([ctx.env.pk]).filter(stack=row).values_list("uuid", flat=True)]
    return ctx.render("console/stack_logs.html", {"row": row, **_sources(ctx, keys)})


def _sources(ctx: RequestContext, spread_keys: list[str]) -> dict[str, Any]:
    """The first containers of the services, and how many are left out."""
    rows = (
        Container.objects.within([ctx.env.pk]).filter(spread_key__in=spread_keys, removed=None).exclude(external_id="")
    )
    found = list(rows.order_by("name", "pk")[: MAX_CONTAINERS + 1])
    more = rows.count() - MAX_CONTAINERS if len(found) > MAX_CONTAINERS else 0
    shown = found[:MAX_CONTAINERS]
    return {
        "sources": shown,
        "more": more,
        "allowed": ctx.can("logs"),
        "tab": "logs",
        "freshness": combined_freshness(shown),
    }


@member_required
def lines(ctx: RequestContext, pk: int) -> HttpResponse:
    """Lines as JSON: those with `q` in them, those from `since` on, or the page before `until`."""
    ctx.require_permission("logs")
    row, query = find(ctx, pk), ctx.request.GET
    since, until, text = query.get("since", ""), query.get("until", ""), query.get("q", "")
    if text:
        return _answer(search_lines(row, text=text, since=since, until=until))
    if since:
        return _answer(lines_between(row, since=since, until=until))
    newer = query.get("newer", "")
    return _answer(lines_before(row, until=until, newer=int(newer) if newer.isdecimal() and len(newer) < 8 else 0))


def _answer(page: LogPage) -> HttpResponse:
    body = {
        "lines": [(line.stream, line.at, line.text) for line in page.lines],
        "complete": page.is_complete,
        "matches": sorted(page.matches),
        "count": page.match_count,
    }
    return JsonResponse(body, headers={"Cache-Control": "no-store"})


@member_required
def download(ctx: RequestContext, pk: int) -> HttpResponseBase:
    """The log of a time range as a text file."""
    ctx.require_permission("logs")
    row, query = find(ctx, pk), ctx.request.GET
    content = download_lines(row, since=query.get("since", ""), until=query.get("until", ""))
    return streaming_download(ctx.request, f"{row.name or row.pk}.log", "text/plain", content)
