"""The command palette: searches the rows of an environment by name, and its pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.listing import natural_order
from apps.console.components.state_badges import StateBadge, bad_first, badge_of
from apps.console.containers.containers import defer_heavy_fields
from apps.console.request_context import RequestContext, member_required
from apps.containers.selectors import containers_of
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.selectors import stacks_of

MAX_HITS_PER_GROUP = 6


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result in the palette."""

    title: str
    url: str
    icon: str
    group: str
    note: str = ""
    badge: StateBadge | None = None


def _page_hits(ctx: RequestContext, text: str) -> list[SearchHit]:
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
        SearchHit(title, ctx.url(name), icon, _("Go to"))
        for title, name, icon in pages
        if text.lower() in title.lower()
    ]


def _row_hits(ctx: RequestContext, text: str) -> list[SearchHit]:
    key = ctx.env.pk
    named = Q(name__icontains=text)
    groups: list[tuple[str, str, Any]] = [
        (_("Stacks"), "stack-2", stacks_of(ctx.actor, key).filter(named).defer("docker_compose", "variables")),
        (_("Services"), "apps", Service.objects.within([key]).filter(named, removed=None).defer("spec")),
        (
            _("Containers"),
            "box",
            defer_heavy_fields(
                containers_of(ctx.actor, key).filter(named | Q(image__icontains=text) | Q(address=text))
            ),
        ),
        (_("Hosts"), "server", Host.objects.within([key]).filter(named, removed=None).defer("tls")),
    ]
    found = []
    for group, icon, rows in groups:
        for row in rows.order_by(bad_first(), *natural_order("name"))[:MAX_HITS_PER_GROUP]:
            note = getattr(row, "image", "") or row.description
            found.append(SearchHit(row.name, buttons.row_url(row, ""), icon, group, note, badge_of(row)))
    return found


@member_required
def search(ctx: RequestContext) -> HttpResponse:
    """The results for the text typed so far."""
    text = ctx.request.GET.get("q", "").strip().replace("\0", "")[:100]
    hits = _row_hits(ctx, text) if text else []
    return ctx.render("console/parts/palette_results.html", {"hits": [*hits, *_page_hits(ctx, text)], "text": text})
