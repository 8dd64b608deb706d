"""The charts' past: points of a host or container as the page asks for them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse

from apps.console import hosts
from apps.console.door import Visit, inside
from apps.containers.selectors import containers_of
from apps.hosts.history import history, hours_asked, thinned


@inside
def host(visit: Visit, pk: int) -> HttpResponse:
    """A host's."""
    return _points(visit, hosts.find(visit, pk))


@inside
def container(visit: Visit, pk: int) -> HttpResponse:
    """A container's."""
    return _points(visit, visit.row(containers_of(visit.actor, visit.env.pk), pk))


def _points(visit: Visit, row: Any) -> HttpResponse:
    hours = hours_asked(visit.request.GET.get("hours", ""))
    return JsonResponse({"points": thinned(history(row, hours))})
