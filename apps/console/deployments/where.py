"""What runs where: applications down, environments across."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import ngettext

from apps.console.components.listing import natural_order, paginate, query_filters
from apps.console.components.state_badges import StateBadge, tone
from apps.console.request_context import RequestContext, login_required
from apps.core.ids import parse_key
from apps.core.streams import streaming_download
from apps.environments.models import Environment
from apps.environments.selectors import environments_of
from apps.stacks.deployments import (
    CONTENT_TYPES,
    Application,
    Deployment,
    MatrixFilters,
    deployments_of,
    export_matrix,
    matrix_of,
)
from apps.stacks.health import HEALTHY

ROWS = 50  # of a page: each has a cell for every environment
_SERVICE_KEY = 987654321987654321
_CALM = frozenset({HEALTHY, "stopped"})


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A deployment with its page and its badge."""

    deployment: Deployment
    url: str
    badge: StateBadge


@login_required
def index(ctx: RequestContext) -> HttpResponseBase:
    """The matrix of all environments that the person sees, narrowed as the query says; or the same as a file."""
    seen = list(environments_of(ctx.actor, everything=True).filter(removed=None).order_by(*natural_order("name")))
    filters = query_filters(ctx.request, "q", "reference", "differences")
    columns = _chosen(ctx, seen)
    keys = [row.pk for row in columns]
    reference = parse_key(filters["reference"])
    wanted = MatrixFilters(
        filters["q"],
        reference=reference if reference in keys else None,
        only_differences=bool(filters["differences"]),
    )
    rows = matrix_of(deployments_of(ctx.actor, keys), keys, wanted)
    kind = ctx.request.GET.get("export", "")
    if kind in CONTENT_TYPES:
        lines = export_matrix(rows, kind)
        return streaming_download(ctx.request, f"deployments.{kind}", CONTENT_TYPES[kind], lines)
    page = paginate(ctx.request, rows, filters, size=ROWS)
    page.rows = [(row, [each and _cell(each) for each in row.cells]) for row in page.rows]
    is_narrowed = page.is_filtered or len(columns) < len(seen)
    context = {
        "page": page,
        "seen": [(row, row in columns) for row in seen],
        "columns": columns,
        "references": [(row.pk, row.name) for row in columns],
        "files": list(CONTENT_TYPES),
        "totals": _describe(rows),
        "is_narrowed": is_narrowed,
    }
    return ctx.render("console/where.html", context)


def _chosen(ctx: RequestContext, seen: list[Environment]) -> list[Environment]:
    """The environments that the query names; all of them where it names none."""
    named = {parse_key(text) for text in ctx.request.GET.getlist("env")[:1000]}
    return [row for row in seen if row.pk in named] or seen


def _cell(each: Deployment) -> MatrixCell:
    word = each.state if each.health in _CALM or each.state != "active" else each.health
    url = _service_pages(each.environment_id).replace(str(_SERVICE_KEY), str(each.service_id))
    return MatrixCell(each, url, StateBadge(word, "bad" if each.is_faulty else tone(word)))


@functools.lru_cache(maxsize=512)
def _service_pages(environment: int) -> str:
    """The address of a service's page with a placeholder for its key: a matrix has a thousand of them."""
    return reverse("console:service", kwargs={"environment": environment, "pk": _SERVICE_KEY})


def _describe(rows: list[Application]) -> str:
    """How many rows there are, and how many of them differ."""
    count, differing = len(rows), sum(row.differs for row in rows)
    text = ngettext("%(count)d application", "%(count)d applications", count) % {"count": count}
    if not differing:
        return text
    more = ngettext("%(count)d with differences", "%(count)d with differences", differing) % {"count": differing}
    return f"{text}, {more}"
