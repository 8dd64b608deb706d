"""Volumes: the lists of an environment and of a host, a volume's page, removal and pruning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.console.components import buttons
from apps.console.components.listing import natural_order, paginate, query_filters, sort_rows
from apps.console.components.removal_dialog import ask_removal
from apps.console.hosts.hosts import find as find_host
from apps.console.request_context import RequestContext, member_required
from apps.core.ids import parse_key
from apps.hosts.models import Host
from apps.stacks.left_volumes import left_behind
from apps.volumes.models import Volume, name_users
from apps.volumes.scope import SCOPES, is_unnamed
from apps.volumes.selectors import mounts_within, pools_of, total_sizes, volumes_of
from apps.volumes.services import unused_volumes, volume_act, volumes_prune

COLUMNS = {
    "name": "name",
    "state": "display_state",
    "host": "host__name",
    "driver": "driver",
    "size": "size",
    "made": "made_at",
    "unused": "unused_since",
}
MAX_PRUNED_SHOWN = 300
USED, UNUSED, LEFT = "used", "unused", "left"
_SCOPE_NAMES = {
    "container": gettext_lazy("container"),
    "stack": gettext_lazy("stack"),
    "environment": gettext_lazy("environment"),
    "engine": gettext_lazy("engine"),
}


def find(ctx: RequestContext, pk: int) -> Volume:
    """A volume of this environment."""
    row: Volume = ctx.get_or_404(volumes_of(ctx.actor, ctx.env.pk), pk)
    return row


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The volumes of all hosts of the environment."""
    return ctx.render("console/volumes.html", _list_context(ctx))


@member_required
def of_host(ctx: RequestContext, pk: int) -> HttpResponse:
    """The volumes of one host."""
    row = find_host(ctx, pk)
    return ctx.render("console/host_volumes.html", {"row": row, **_list_context(ctx, row)})


def _list_context(ctx: RequestContext, host: Host | None = None) -> dict[str, Any]:
    filters = query_filters(ctx.request, "q", "use", "host", "driver", "scope")
    if host is not None:
        filters["host"] = ""
    everything = volumes_of(ctx.actor, ctx.env.pk).filter(**({"host": host} if host else {}))
    rows = _filtered(everything, filters)
    page = paginate(ctx.request, sort_rows(rows, ctx.request.GET.get("sort", ""), COLUMNS), filters)
    left = set(
        left_behind(volumes_of(ctx.actor, ctx.env.pk).filter(pk__in=[row.pk for row in page.rows])).values_list(
            "pk", flat=True
        )
    )
    for row in page.rows:
        _describe(row, left)
    pools = pools_of(ctx.actor, ctx.env.pk).filter(**({"host": host} if host else {}))
    delete = ctx.can("delete")
    return {
        "page": page,
        "totals": _totals_text(everything),
        "hosts": _host_choices(ctx) if host is None else [],
        "drivers": list(everything.order_by("driver").values_list("driver", flat=True).distinct()[:50]),
        "scopes": [(each, _SCOPE_NAMES[each]) for each in SCOPES],
        "uses": [(USED, _("in use")), (UNUSED, _("unused")), (LEFT, _("left behind"))],
        "problems": [(pool.host, pool.message) for pool in pools if pool.message][:5],
        "add": buttons.custom_button(
            gettext_lazy("Add volume"),
            "plus",
            _with_host(ctx.url("volume-new"), host),
            ctx.can("operate"),
            is_dialog=True,
        ),
        "prune": buttons.custom_button(
            gettext_lazy("Clean up"), "eraser", _with_host(ctx.url("volumes-prune"), host), delete, is_dialog=True
        ),
    }


def _with_host(url: str, host: Host | None) -> str:
    return f"{url}?host={host.pk}" if host else url


def _host_choices(ctx: RequestContext) -> list[tuple[int, str]]:
    rows = Host.objects.within([ctx.env.pk]).filter(removed=None).order_by(*natural_order("name"), "pk")
    return [(row.pk, str(row)) for row in rows.only("pk", "name", "hostname", "url")]


def _filtered(rows: QuerySet[Volume], filters: dict[str, str]) -> QuerySet[Volume]:
    if filters["q"]:
        words = filters["q"]
        named = Q(name__icontains=words) | Q(stack_name__icontains=words) | Q(container_name__icontains=words)
        rows = rows.filter(named)
    if filters["host"]:
        rows = rows.filter(host=parse_key(filters["host"]) or 0)
    if filters["driver"]:
        rows = rows.filter(driver=filters["driver"])
    if filters["scope"]:
        rows = rows.filter(scope=filters["scope"])
    if filters["use"] == LEFT:
        return left_behind(rows)
    states = {USED: "active", UNUSED: "inactive"}
    return rows.filter(state=states[filters["use"]]) if filters["use"] in states else rows


def _totals_text(rows: QuerySet[Volume]) -> str:
    found = total_sizes(rows)
    if not found["count"]:
        return _("Where containers keep what must outlive them. Each volume is on one host.")
    volumes = ngettext("%(count)d volume with %(size)s", "%(count)d volumes with %(size)s", found["count"])
    text = volumes % {"count": found["count"], "size": filesizeformat(found["bytes"])}
    if not found["unused"]:
        return f"{text}."
    unused = ngettext("nothing uses %(count)d with %(size)s", "nothing uses %(count)d with %(size)s", found["unused"])
    return f"{text}; {unused % {'count': found['unused'], 'size': filesizeformat(found['unused_bytes'])}}."


def _describe(row: Volume, left: Iterable[int]) -> None:
    """Give a row what its line shows: who uses it, its scope in words, and by what it was left behind."""
    row.used_by = name_users(row.users) if row.users else ""  # type: ignore[attr-defined]
    row.scope_name = _SCOPE_NAMES[row.scope]  # type: ignore[attr-defined]
    row.left_by = (row.stack_name or row.container_name) if row.pk in left else ""  # type: ignore[attr-defined]
    row.is_unnamed = is_unnamed(row.name, row.labels)  # type: ignore[attr-defined]


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """A volume with what mounts it."""
    row = find(ctx, pk)
    left = left_behind(volumes_of(ctx.actor, ctx.env.pk).filter(pk=row.pk)).values_list("pk", flat=True)
    _describe(row, set(left))
    values = bool(ctx.can("values"))
    context = {
        "row": row,
        "mounts": list(mounts_within([ctx.env.pk]).filter(volume=row).select_related("container").order_by("path")),
        "options": sorted((name, text if values else "…") for name, text in row.options.items()),
        "labels": sorted(row.labels.items()),
        "browse": buttons.custom_button(
            gettext_lazy("Browse files"), "folder", ctx.url("volume-files", pk=row.pk), ctx.can("browse")
        ),
    }
    return ctx.render("console/volume.html", context)


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, with what is in it; then remove."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        volume_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(_("Deleting volume %(name)s.") % {"name": row.short_name}, ctx.url("volumes"))

    def ask() -> dict[str, Any]:
        size = _("an unknown amount of data") if row.size is None else filesizeformat(row.size)
        text = _("Its files on %(host)s (%(size)s). This cannot be undone.") % {"host": row.host, "size": size}
        return {"kind": _("volume"), "consequences": [text]}

    # What was not measured yet may be large: only a volume known to be empty goes with one click.
    return ask_removal(
        ctx, row, remove=act, ask=ask, is_large=lambda: row.size != 0 and not is_unnamed(row.name, row.labels)
    )


@member_required
def prune(ctx: RequestContext) -> HttpResponse:
    """Ask which of the unused volumes go, with their sizes; then remove those."""
    ctx.require_permission("delete")
    text = ctx.request.GET.get("host", "")
    host = find_host(ctx, parse_key(text) or 0) if text else None
    if ctx.request.method == "POST":
        chosen = [key for each in ctx.request.POST.getlist("volume") if (key := parse_key(each))]
        removed = volumes_prune(actor=ctx.actor, environment=ctx.env, host=host, only=chosen)
        size = filesizeformat(sum(row.size or 0 for row in removed))
        message = ngettext(
            "Deleting %(count)d volume (%(size)s).", "Deleting %(count)d volumes (%(size)s).", len(removed)
        )
        return ctx.success_response(message % {"count": len(removed), "size": size}, _back(ctx, host))
    rows = unused_volumes(ctx.env.pk, host.pk if host else None)
    left = set(left_behind(volumes_of(ctx.actor, ctx.env.pk)).values_list("pk", flat=True))
    for row in rows[:MAX_PRUNED_SHOWN]:
        _describe(row, left)
    context = {
        "rows": rows[:MAX_PRUNED_SHOWN],
        "more": max(0, len(rows) - MAX_PRUNED_SHOWN),
        "host": host,
        "total": sum(row.size or 0 for row in rows),
    }
    return ctx.render("console/volumes_prune.html", context)


def _back(ctx: RequestContext, host: Host | None) -> str:
    return ctx.url("host-volumes", pk=host.pk) if host else ctx.url("volumes")
