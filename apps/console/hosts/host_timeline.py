"""The timeline of a host: its engine's events, including those from while the portal was away."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse

from apps.console.components.listing import paginate, query_filters
from apps.console.hosts.hosts import find
from apps.console.request_context import RequestContext, member_required
from apps.containers.models import Container
from apps.hosts.selectors import events_of

KINDS = ("container", "image", "network", "agent")
_ICONS = {"container": "box", "image": "download", "network": "sitemap", "agent": "server", "gap": "alert-triangle"}


@member_required
def timeline(ctx: RequestContext, pk: int) -> HttpResponse:
    """The events, newest first; containers that Corral still knows are linked."""
    row = find(ctx, pk)
    filters = query_filters(ctx.request, "q", "kind")
    rows = events_of(row)
    if filters["q"]:
        text = filters["q"]
        rows = rows.filter(Q(name__icontains=text) | Q(action__icontains=text) | Q(subject__startswith=text))
    if filters["kind"]:
        rows = rows.filter(kind__in=(filters["kind"], "gap"))  # lost events may have been of any kind
    page = paginate(ctx.request, rows, filters)
    known = _containers(ctx, {event.subject for event in page.rows if event.kind == "container"})
    for event in page.rows:
        event.container = known.get(event.subject)
        event.icon = _ICONS.get(event.kind, "history")
    return ctx.render("console/host_timeline.html", {"row": row, "page": page, "kinds": KINDS})


def _containers(ctx: RequestContext, subjects: set[str]) -> dict[str, Any]:
    rows = Container.objects.within([ctx.env.pk]).filter(external_id__in=subjects, removed=None)
    return {each.external_id: each for each in rows.only("pk", "name", "environment", "external_id")}
