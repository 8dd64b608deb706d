"""The command palette: everything with a name in this environment, and every page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console import buttons
from apps.console.containers import light
from apps.console.door import Visit, inside
from apps.console.listing import natural
from apps.console.states import Face, bad_first, face_of
from apps.containers.selectors import containers_of
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.selectors import stacks_of

EACH = 6


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of the palette."""

    title: str
    url: str
    icon: str
    group: str
    note: str = ""
    face: Face | None = None


def _pages(visit: Visit, text: str) -> list[Hit]:
    pages = [
        (_("Stacks"), "stacks", "stack-2"),
        (_("Containers"), "containers", "box"),
        (_("Hosts"), "hosts", "server"),
        (_("Activity"), "activity", "activity"),
        (_("API & keys"), "keys", "key"),
        (_("Add stack"), "stack-new", "plus"),
        (_("Add container"), "container-new", "plus"),
        (_("Add host"), "host-add", "plus"),
    ]
    return [
        Hit(title, visit.url(name), icon, _("Go to")) for title, name, icon in pages if text.lower() in title.lower()
    ]


def _rows(visit: Visit, text: str) -> list[Hit]:
    key = visit.env.pk
    named = Q(name__icontains=text)
    groups: list[tuple[str, str, Any]] = [
        (_("Stacks"), "stack-2", stacks_of(visit.actor, key).filter(named).defer("docker_compose", "variables")),
        (_("Services"), "apps", Service.objects.within([key]).filter(named, removed=None).defer("spec")),
        (
            _("Containers"),
            "box",
            light(containers_of(visit.actor, key).filter(named | Q(image__icontains=text) | Q(address=text))),
        ),
        (_("Hosts"), "server", Host.objects.within([key]).filter(named, removed=None).defer("tls")),
    ]
    found = []
    for group, icon, rows in groups:
        for row in rows.order_by(bad_first(), *natural("name"))[:EACH]:
            note = getattr(row, "image", "") or row.description
            found.append(Hit(row.name, buttons.address(row, ""), icon, group, note, face_of(row)))
    return found


@inside
def find(visit: Visit) -> HttpResponse:
    """What matches the words typed so far."""
    text = visit.request.GET.get("q", "").strip().replace("\0", "")[:100]
    hits = _rows(visit, text) if text else []
    return visit.show("console/parts/hits.html", {"hits": [*hits, *_pages(visit, text)], "text": text})
