"""What if: the pages on which a service or a host shows what the scheduler would do, without doing it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from apps.console.components.freshness import combined_freshness
from apps.console.hosts.hosts import find as find_host
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.services import find as find_service
from apps.console.stacks.services import freshness_rows
from apps.core.errors import Problem
from apps.stacks.what_if import (
    WhatIf,
    changed_labels,
    is_scalable,
    parse_label_names,
    parse_labels,
    what_if_host_lost,
    what_if_labeled,
    what_if_scaled,
)

MAX_LISTED = 200


@member_required
def service(ctx: RequestContext, pk: int) -> HttpResponse:
    """The service with another scale; one more than now until somebody says otherwise."""
    row = find_service(ctx, pk)
    typed = ctx.request.GET.get("scale", "").strip() or str(row.scale + is_scalable(row))
    digits = typed.isascii() and typed.removeprefix("-").isdigit() and len(typed) < 9
    context = {"row": row, "scale": typed, "freshness": combined_freshness(freshness_rows(ctx, row))}
    return _render(ctx, context, lambda: what_if_scaled(row, int(typed) if digits else typed))


@member_required
def host(ctx: RequestContext, pk: int) -> HttpResponse:
    """The host lost, or with other labels."""
    row, sent = find_host(ctx, pk), ctx.request.GET
    added, removed = sent.get("addLabels", "").strip(), sent.get("removeLabels", "").strip()

    def outcome() -> WhatIf:
        if not added and not removed:
            return what_if_host_lost(row)
        return what_if_labeled(row, changed_labels(row, parse_labels("addLabels", added), parse_label_names(removed)))

    return _render(ctx, {"row": row, "added": added, "removed_labels": removed}, outcome)


def _render(ctx: RequestContext, context: dict[str, Any], ask: Callable[[], WhatIf]) -> HttpResponse:
    """The page with the outcome, or with what is wrong with the question."""
    try:
        found = ask()
    except Problem as problem:
        return ctx.render("console/what_if.html", {**context, "error": problem.message}, status=422)
    groups = {name: getattr(found, name) for name in ("homeless", "settled", "removed", "stays")}
    shown = {name: moves[:MAX_LISTED] for name, moves in groups.items()}
    more = {name: max(0, len(moves) - MAX_LISTED) for name, moves in groups.items()}
    return ctx.render("console/what_if.html", {**context, "outcome": found, "shown": shown, "more": more})
