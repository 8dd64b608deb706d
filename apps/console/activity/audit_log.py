"""The audit log: list, export, single entries and verification."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from apps.console.components.listing import paginate, query_filters
from apps.console.request_context import RequestContext, admin_required, member_required
from apps.control import selectors
from apps.control.audit.export import CONTENT_TYPES, export_lines
from apps.control.audit.verify import (
    ChainReport,
    chain_numbers,
    unverified_reports,
    verify,
)
from apps.control.models import AuditEntry
from apps.core.errors import NotFound
from apps.core.streams import streaming_download
from apps.federation.selectors import jobs_of_keys

FILTERS = ("q", "event", "kind", "target", "address", "auth", "via", "code")
KINDS = ("container", "service", "stack", "host", "environment", "apiKey", "account", "hostPolicy", "trustRule")
VIAS = ("console", "api", "cli", "webhook", "system")
AUTHS = ("TokenAuth", "BasicAuth", "TokenExchange")


def _apply_filters(rows: QuerySet[AuditEntry], filters: dict[str, str]) -> QuerySet[AuditEntry]:
    """The entries that match the filters."""
    if filters["q"]:
        rows = rows.filter(Q(target_name__icontains=filters["q"]) | Q(account__login__icontains=filters["q"]))
    column_filters = {"event__icontains": "event", "kind": "kind", "address__startswith": "address", "via": "via"}
    column_filters |= {"auth_type": "auth", "code__startswith": "code"}
    rows = rows.filter(**{column: filters[name] for column, name in column_filters.items() if filters[name]})
    number = (
        filters["target"].lstrip("1abcdefghijklmnopqrstuvwxyz") if filters["target"][:1] == "1" else filters["target"]
    )
    if number.isascii() and number.isdigit() and len(number) < 19:
        rows = rows.filter(target=int(number))
    return rows


def _page(ctx: RequestContext, rows: QuerySet[AuditEntry]) -> HttpResponseBase:
    filters = query_filters(ctx.request, *FILTERS)
    rows = _apply_filters(rows, filters)
    kind = ctx.request.GET.get("export", "")
    if kind in CONTENT_TYPES:
        return streaming_download(ctx.request, f"audit.{kind}", CONTENT_TYPES[kind], export_lines(rows, kind))
    page = paginate(ctx.request, rows.select_related("account", "environment", "key"), filters)
    _add_jobs(page.rows)
    context = {
        "page": page,
        "kinds": [(kind, kind) for kind in KINDS],
        "vias": VIAS,
        "auths": AUTHS,
        "codes": [("2", _("done")), ("4", _("refused"))],
        "files": list(CONTENT_TYPES),
    }
    return ctx.render("console/audit.html", context)


def _add_jobs(rows: Iterable[AuditEntry]) -> None:
    """Say of entries by keys that jobs of CI were given which `job` it was: the keys themselves are soon gone."""
    jobs = jobs_of_keys(row.key_number for row in rows)
    for row in rows:
        row.job = jobs.get(row.key_number or 0)  # type: ignore[attr-defined]


@member_required
def index(ctx: RequestContext) -> HttpResponseBase:
    """The audit log of this environment; owners only."""
    ctx.require_permission("own")
    return _page(ctx, AuditEntry.objects.within([ctx.env.pk]))


@admin_required
def everywhere(ctx: RequestContext) -> HttpResponseBase:
    """The audit log of the whole installation, log-ins included."""
    return _page(ctx, selectors.visible_audit_entries(ctx.actor))


def _entry_page(ctx: RequestContext, rows: QuerySet[AuditEntry], pk: int) -> HttpResponse:
    row = ctx.get_or_404(rows.select_related("account", "environment", "key"), pk)
    _add_jobs([row])
    return ctx.render("console/audit_entry.html", {"row": row})


@member_required
def entry(ctx: RequestContext, pk: int) -> HttpResponse:
    """One entry with its request and response."""
    ctx.require_permission("own")
    return _entry_page(ctx, AuditEntry.objects.within([ctx.env.pk]), pk)


@admin_required
def entry_anywhere(ctx: RequestContext, pk: int) -> HttpResponse:
    """One entry of any environment, or of none."""
    return _entry_page(ctx, selectors.visible_audit_entries(ctx.actor), pk)


@member_required
def check(ctx: RequestContext) -> HttpResponse:
    """Verify the environment's chain now."""
    ctx.require_permission("own")
    return _reports(ctx, [verify(ctx.env.pk)])


@admin_required
def check_anywhere(ctx: RequestContext) -> HttpResponse:
    """Verify one chain, or list them all with a link to verify each."""
    chosen = ctx.request.GET.get("chain", "")
    if not chosen:
        return _reports(ctx, unverified_reports())
    number = int(chosen) if chosen.isascii() and chosen.isdigit() and len(chosen) < 19 else -1
    if number not in chain_numbers():
        raise NotFound(_("There is no such audit log."))
    return _reports(ctx, [verify(number)])


def _reports(ctx: RequestContext, reports: list[ChainReport]) -> HttpResponse:
    context: dict[str, Any] = {"reports": reports}
    return ctx.render("console/audit_check.html", context)
