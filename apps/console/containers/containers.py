"""Containers: list, detail page, shell and actions."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components import buttons
from apps.console.components.listing import (
    count_states,
    natural_order,
    paginate,
    query_filters,
    sort_rows,
)
from apps.console.components.plurals import counted
from apps.console.components.removal_dialog import ask_removal_of_parts
from apps.console.components.rename_dialog import rename
from apps.console.containers.check_form import container_check_facts
from apps.console.containers.placement_summary import group_trace
from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.failing_pulls import failing_pulls
from apps.containers.models import Container
from apps.containers.selectors import containers_of, endpoints, events_of
from apps.containers.services import container_act, container_update
from apps.containers.streams import shell_verdict
from apps.control.models import Operation
from apps.control.services import record
from apps.core.errors import Problem
from apps.core.ids import parse_key
from apps.core.texts import labeled
from apps.hosts.models import Host
from apps.stacks.updates.selectors import newer_image_of_container

COLUMNS = {
    "name": "name",
    "state": "display_state",
    "image": "image",
    "host": "host__name",
    "address": "address",
    "created": "created",
    "restarts": "restarts",
}
_HEAVY_FIELDS = (
    "spec", "placement", "tags", "host__tls", "host__info", "host__engine_labels", "slot__service__spec",
    "slot__service__secondary", "slot__service__balancer", "slot__service__metadata",
    "slot__service__stack__docker_compose", "slot__service__stack__rancher_compose", "slot__service__stack__variables",
)  # fmt: skip
SHELLS = ("/bin/sh", "/bin/bash", "/bin/ash")


def defer_heavy_fields(rows: QuerySet[Container]) -> QuerySet[Container]:
    """Containers with host, service and stack, without the fields that only the detail page needs."""
    return rows.select_related("host", "slot__service__stack").defer(*_HEAVY_FIELDS)


def apply_filters(rows: QuerySet[Container], requested: dict[str, str]) -> QuerySet[Container]:
    """The containers that match the filters."""
    text = requested.get("q")
    if text:
        found = Q(name__icontains=text) | Q(image__icontains=text) | Q(address=text) | Q(external_id__startswith=text)
        rows = rows.filter(found)
    if requested.get("state"):
        rows = rows.filter(display_state=requested["state"])
    if requested.get("image"):
        rows = rows.filter(image__icontains=requested["image"])
    if requested.get("host"):
        rows = rows.filter(_on_host(requested["host"]))
    if requested.get("kind") == "standalone":
        rows = rows.filter(spread_key="")  # runs of a schedule and what an upgrade keeps have no slot either
    return rows


def _on_host(text: str) -> Q:
    """On the host of this number, or on those that have the text in their name."""
    named, key = Q(host__name__icontains=text), parse_key(text)
    return named if key is None else named | Q(host=key)


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The list of containers."""
    requested = query_filters(ctx.request, "q", "state", "host", "image", "kind")
    everything = containers_of(ctx.actor, ctx.env.pk)
    rows = defer_heavy_fields(apply_filters(everything, requested))
    page = paginate(ctx.request, sort_rows(rows, ctx.request.GET.get("sort", ""), COLUMNS), requested)
    for row in page.rows:
        row.published_ports = endpoints(row)
    hosts = Host.objects.within([ctx.env.pk]).filter(removed=None).order_by(*natural_order("name"))
    context = {
        "page": page,
        "states": count_states(apply_filters(everything, {**requested, "state": ""})),
        "hosts": list(hosts.values_list("name", flat=True)),
        "kinds": [("standalone", _("Standalone"))],
        "add": buttons.custom_button(
            gettext_lazy("Add container"), "plus", ctx.url("container-new"), ctx.can("operate")
        ),
    }
    return ctx.render("console/containers.html", context)


def find(ctx: RequestContext, pk: int) -> Container:
    """A container of this environment."""
    rows = containers_of(ctx.actor, ctx.env.pk).select_related("host", "slot__service__stack")
    return ctx.get_or_404(rows.defer(*(name for name in _HEAVY_FIELDS if "__" in name)), pk)


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One container: facts, charts, ports, mounts, environment variables, labels, placement."""
    row = find(ctx, pk)
    can_see_values = ctx.can("values")
    reveal = bool(can_see_values) and ctx.request.GET.get("reveal") == "1"
    # The page refreshes itself through htmx: one visit is one audit entry.
    if reveal and not ctx.request.headers.get("HX-Request"):
        record("container.values", actor=ctx.actor, row=row, environment_id=ctx.env.pk)
    values = row.config.environment
    context = {
        "row": row,
        "tab": "overview",
        "config": row.config,
        "short_id": row.external_id[:12],
        "ports": endpoints(row),
        "engine_state": row.engine_state,
        "check": container_check_facts(row),
        "values": [(name, values[name] if reveal else "") for name in sorted(values)],
        "reveal": reveal,
        "values_reason": can_see_values.reason,
        "operations": _operations(ctx, row),
        "failing_pulls": failing_pulls(ctx.env.pk, containers_of(ctx.actor, ctx.env.pk).filter(pk=row.pk)),
        "events": events_of(row)[:10],
        "placement": group_trace(row.placement),
        "newer_image": newer_image_of_container(ctx.env.pk, row.pk, row.spread_key),
    }
    return ctx.render("console/container.html", context)


def _operations(ctx: RequestContext, row: Container) -> list[Operation]:
    rows = Operation.objects.within([ctx.env.pk]).filter(kind="container", target=row.pk)
    return list(rows.select_related("account")[:10])


@member_required
def shell(ctx: RequestContext, pk: int) -> HttpResponse:
    """A terminal inside the container."""
    row, ctx.inline_styles = find(ctx, pk), True
    command = ctx.request.GET.get("command", SHELLS[0])
    context = {
        "row": row,
        "tab": "shell",
        "allowed": shell_verdict(ctx.actor, row),
        "command": command if len(command) < 200 else SHELLS[0],
        "shells": SHELLS,
    }
    return ctx.render("console/container_shell.html", context)


@member_required
def menu(ctx: RequestContext, pk: int) -> HttpResponse:
    """The menu of a row in the list."""
    row = find(ctx, pk)
    context = {"row": row, "api_url": buttons.api_url(row), "exec": shell_verdict(ctx.actor, row)}
    return ctx.render("console/parts/container_menu.html", context)


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Start, stop or restart."""
    row = find(ctx, pk)
    container_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    return ctx.success_response(_action_message(action) % {"name": row.name})


def _action_message(action: str) -> str:
    message = {
        "start": _("Starting %(name)s."),
        "stop": _("Stopping %(name)s."),
        "restart": _("Restarting %(name)s."),
        "unpause": _("Unpausing %(name)s."),
        "remove": _("Deleting %(name)s."),
    }
    return message.get(action, "%(name)s")


@member_required
@post_required
def bulk(ctx: RequestContext) -> HttpResponse:
    """One action for all selected containers; the first refusal is part of the message."""
    action = ctx.request.POST.get("action", "")
    keys = [key for text in ctx.request.POST.getlist("row")[:200] if (key := parse_key(text)) is not None]
    if action not in {"start", "stop", "restart", "remove"} or not keys:
        raise Problem(_("Select containers first."), status=422)
    requested, failed = 0, []
    for row in containers_of(ctx.actor, ctx.env.pk).filter(pk__in=keys):
        try:
            container_act(row, action, actor=ctx.actor)
            requested += 1
        except Problem as problem:
            failed.append(labeled(row.name, problem.message))
    if failed and not requested:
        raise Problem(failed[0], status=422)
    message = _("Requested the action for %(containers)s.") % {"containers": counted("container", requested)}
    return ctx.success_response(f"{message} {failed[0]}" if failed else message)


@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Rename or describe."""
    return rename(ctx, find(ctx, pk), container_update)


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, listing what is deleted along; then delete."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        container_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(_action_message("remove") % {"name": row.name}, ctx.url("containers"))

    return ask_removal_of_parts(ctx, row, _("container"), remove=act, slot=getattr(row, "slot", None))
