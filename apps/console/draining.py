"""Emptying a host from the console: what will move, what will stay, and how far it is."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.door import Visit, inside
from apps.console.hosts import find
from apps.console.listing import natural
from apps.containers.selectors import containers_of
from apps.environments.access import verdict
from apps.hosts.services import host_drain

MOST = 12


@inside
def evacuate(visit: Visit, pk: int) -> HttpResponse:
    """Ask, telling what moves and what stays; then begin."""
    row = find(visit, pk)
    if visit.request.method == "POST":
        host_drain(row, actor=visit.actor, stop_standalone=visit.request.POST.get("stop") == "on")
        return visit.done(_("Moving everything away from %(name)s.") % {"name": row.name})
    there = list(containers_of(visit.actor, visit.env.pk).filter(host=row).order_by(*natural("name")))
    moves, stays = [each for each in there if each.kept], [each for each in there if not each.kept]
    context = {
        "row": row,
        "moves": moves[:MOST],
        "more_moves": max(0, len(moves) - MOST),
        "stays": stays[:MOST],
        "more_stays": max(0, len(stays) - MOST),
        "verdict": verdict(visit.actor, "evacuate", row),
    }
    return visit.show("console/host_evacuate.html", context)
