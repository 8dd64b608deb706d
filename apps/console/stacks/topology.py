"""How the services of an environment or a stack hang together: a graph, and the same as a list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse

from apps.console.components.state_badges import badge_of
from apps.console.environments.network_policy import policy_words
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.service_rows import ServiceRow, service_rows
from apps.console.stacks.stacks import find
from apps.stacks.models import Service, ServiceLink
from apps.stacks.service_options import ALIAS

MAX_NODES = 500


@dataclass
class TopologyRow:
    """A service with those it leads to and those that lead to it; `is_outside` the page's stack."""

    line: ServiceRow
    reaches: list[ServiceLink] = field(default_factory=list)
    reached_by: list[ServiceLink] = field(default_factory=list)
    is_outside: bool = False

    @property
    def service(self) -> Service:
        """The service."""
        return self.line.service


@member_required
def environment(ctx: RequestContext) -> HttpResponse:
    """All services of the environment."""
    lines = [line for lines in service_rows(ctx).values() for line in lines]
    return _render(ctx, "console/topology.html", [TopologyRow(line) for line in lines])


@member_required
def stack(ctx: RequestContext, pk: int) -> HttpResponse:
    """One stack, with the services of other stacks that it leads to or that lead to it."""
    row = find(ctx, pk)
    own = service_rows(ctx, stack=row).get(row.pk, [])
    keys = [line.service.pk for line in own]
    neighbours = _neighbours(ctx, keys)
    outside = [line for lines in service_rows(ctx, pk__in=neighbours).values() for line in lines] if neighbours else []
    rows = [*map(TopologyRow, own), *(TopologyRow(line, is_outside=True) for line in outside)]
    return _render(ctx, "console/stack_topology.html", rows, row=row)


def _neighbours(ctx: RequestContext, keys: Iterable[int]) -> set[int]:
    mine = set(keys)
    links = ServiceLink.objects.filter(service__environment=ctx.env.pk, service__removed=None, target__removed=None)
    found = set()
    for source, target in links.values_list("service", "target"):
        if (source in mine) != (target in mine):
            found.add(target if source in mine else source)
    return found


def _render(ctx: RequestContext, template: str, rows: list[TopologyRow], **more: Any) -> HttpResponse:
    by_key = {row.service.pk: row for row in rows}
    for row in rows:
        for link in row.line.links:
            target = by_key.get(link.target_id)
            if target is not None and not (row.is_outside and target.is_outside):
                row.reaches.append(link)
                target.reached_by.append(link)
    context = {
        "rows": rows,
        "graph": _graph(ctx, rows) if len(rows) <= MAX_NODES else None,
        "limit": MAX_NODES,
        "network_policy": policy_words(ctx.env.pk),
        **more,
    }
    return ctx.render(template, context)


def _graph(ctx: RequestContext, rows: list[TopologyRow]) -> dict[str, Any]:
    """What the script draws: services by stack, and the links between them."""
    names: dict[int, str] = {row.service.stack_id: row.service.stack.name for row in rows}
    members = defaultdict[int, list[dict[str, Any]]](list)
    for row in rows:
        members[row.service.stack_id].append(_node(ctx, row))
    return {
        "stacks": [
            {"key": key, "name": names[key], "url": ctx.url("stack", pk=key), "services": members[key]}
            for key in sorted(names, key=lambda each: names[each].lower())
        ],
        "links": [
            {
                "from": link.service_id,
                "to": link.target_id,
                "name": "" if link.name.lower() == link.target.name.lower() else link.name,
                "kind": "alias" if row.service.kind == ALIAS else "link",
            }
            for row in rows
            for link in row.reaches
        ],
    }


def _node(ctx: RequestContext, row: TopologyRow) -> dict[str, Any]:
    service, badge = row.service, badge_of(row.service)
    counts = f"{row.line.running} / {row.line.wanted}" if service.has_containers and not service.schedule else ""
    return {
        "key": service.pk,
        "name": service.name,
        "url": ctx.url("service", pk=service.pk),
        "tone": badge.tone,
        "state": str(badge.word),
        "note": counts or str(row.line.kind if not service.has_containers else service.schedule.get("cron", "")),
        "outside": row.is_outside,
    }
