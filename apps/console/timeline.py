"""A host's timeline: what happened on it, also while nobody could see it."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse

from apps.console.door import Visit, inside
from apps.console.hosts import find
from apps.console.listing import listing, words
from apps.containers.models import Container
from apps.hosts.selectors import events_of

KINDS = ("container", "image", "network", "agent")
_ICONS = {"container": "box", "image": "download", "network": "sitemap", "agent": "server", "gap": "alert-triangle"}


@inside
def timeline(visit: Visit, pk: int) -> HttpResponse:
    """The newest first; a container's line leads to it while Corral knows it."""
    row = find(visit, pk)
    asked = words(visit.request, "q", "kind")
    rows = events_of(row)
    if asked["q"]:
        text = asked["q"]
        rows = rows.filter(Q(name__icontains=text) | Q(action__icontains=text) | Q(subject__startswith=text))
    if asked["kind"]:
        rows = rows.filter(kind__in=(asked["kind"], "gap"))
    page = listing(visit.request, rows, asked)
    known = _containers(visit, {event.subject for event in page.rows if event.kind == "container"})
    for event in page.rows:
        event.container = known.get(event.subject)
        event.icon = _ICONS.get(event.kind, "history")
    return visit.show("console/host_timeline.html", {"row": row, "page": page, "kinds": KINDS})


def _containers(visit: Visit, subjects: set[str]) -> dict[str, Any]:
    rows = Container.objects.within([visit.env.pk]).filter(external_id__in=subjects, removed=None)
    return {each.external_id: each for each in rows.only("pk", "name", "environment", "external_id")}
