"""Hosts: list, detail page, adding one by address, evacuation and other actions."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.components.listing import (
    count_states,
    filter_state,
    natural_order,
    paginate,
    query_filters,
    sort_rows,
)
from apps.console.components.plurals import counted
from apps.console.components.removal_dialog import ask_removal_of_parts
from apps.console.components.rename_dialog import sent_texts
from apps.console.components.state_dots import add_state_dots
from apps.console.containers.containers import COLUMNS as CONTAINER_COLUMNS
from apps.console.containers.containers import apply_filters, defer_heavy_fields
from apps.console.containers.launch_form import parse_key_values
from apps.console.hosts.reservation_limits import MIB, format_limit, parse_limit
from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.selectors import containers_of, endpoints, running_filter
from apps.core.errors import Invalid, Problem
from apps.environments.access import verdict
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create, host_drain, host_update
from apps.hosts.system_container.switch import can_have_one
from apps.network.check_selectors import check_view
from apps.network.selectors import host_network_view

_SSH_FIELDS = {"host_key": "hostKey", "private_key": "privateKey", "password": "password"}
_FIELDS = {"url", "name", "labels", *_SSH_FIELDS.values()}
COLUMNS = {"name": "name", "state": "display_state", "created": "created"}


def _rows(ctx: RequestContext) -> Any:
    return Host.objects.within([ctx.env.pk]).filter(removed=None).defer("tls")


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The list of hosts."""
    filters = query_filters(ctx.request, "q", "state")
    rows = _rows(ctx)
    if filters["q"]:
        text = filters["q"]
        rows = rows.filter(Q(name__icontains=text) | Q(url__icontains=text) | Q(hostname__icontains=text))
    states = count_states(rows)
    rows = filter_state(rows, filters["state"])
    page = paginate(ctx.request, sort_rows(rows, ctx.request.GET.get("sort", ""), COLUMNS), filters)
    add_state_dots(page.rows, ctx.env.pk)
    add = buttons.custom_button(gettext_lazy("Add host"), "plus", ctx.url("host-add"), ctx.can("hosts"))
    totals = counted("host", page.total)
    context = {"page": page, "add": add, "states": states, "totals": totals if page.total else ""}
    return ctx.render("console/hosts.html", context)


def find(ctx: RequestContext, pk: int) -> Host:
    """A host of this environment."""
    row: Host = ctx.get_or_404(_rows(ctx), pk)
    return row


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One host: facts, charts, labels and the containers on it."""
    row = find(ctx, pk)
    filters = query_filters(ctx.request, "q", "state")
    mine = containers_of(ctx.actor, ctx.env.pk).filter(host=row)
    rows = defer_heavy_fields(apply_filters(mine, filters))
    page = paginate(ctx.request, sort_rows(rows, ctx.request.GET.get("sort", ""), CONTAINER_COLUMNS), filters)
    for each in page.rows:
        each.published_ports = endpoints(each)
    running = mine.filter(running_filter()).count()
    context = {"row": row, "page": page, "running": running, "network": host_network_view(row)}
    checked = check_view(ctx.env.pk)
    context |= {"check": checked, "findings": checked.of_host(str(row.uuid))}
    context |= {"may_have_system_container": can_have_one(row), "decide": ctx.can("hosts")}
    return ctx.render("console/host.html", context)


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = find(ctx, pk)
    host_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    messages = {"activate": _("Activating %(name)s."), "deactivate": _("%(name)s will take no new containers.")}
    return ctx.success_response(messages.get(action, "%(name)s") % {"name": row.name})


@member_required
@post_required
def system_container(ctx: RequestContext, pk: int) -> HttpResponse:
    """Switch a host's system container on or off."""
    row = find(ctx, pk)
    is_wanted = ctx.request.POST.get("wanted") == "on"
    host_update(row, actor=ctx.actor, system_container=is_wanted)
    message = _("Making the system container.") if is_wanted else _("Removing the system container.")
    return ctx.success_response(message)


@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change name, description, address, labels, and how much of it may be reserved."""
    row, sent = find(ctx, pk), ctx.request.POST
    current = {
        "name": row.name,
        "description": row.description,
        "address": row.address,
        "labels": row.labels,
        "memory_limit": row.memory_limit,
        "milli_cpu_limit": row.milli_cpu_limit,
    }
    edit = Edit(ctx, current, row)

    def parse() -> dict[str, Any]:
        texts = sent_texts(ctx)
        labels = parse_key_values("labels", sent.get("labels", ""))
        return {
            **texts,
            "name": texts["name"] or row.name,
            "address": sent.get("address", "").strip(),
            "labels": labels,
            "memory_limit": parse_limit("memory", sent.get("memory", ""), MIB),
            "milli_cpu_limit": parse_limit("milliCpu", sent.get("cpus", ""), 1000),
        }

    def context() -> dict[str, Any]:
        labels = "\n".join(f"{name}={value}" for name, value in row.labels.items())
        return {
            "labels": sent.get("labels", "") if edit.is_typed("labels") else labels,
            "memory": sent.get("memory", format_limit(row.memory_limit, MIB)),
            "cpus": sent.get("cpus", format_limit(row.milli_cpu_limit, 1000)),
        }

    return handle_edit(edit, parse=parse, save=partial(host_update, row, actor=ctx.actor), context=context)


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, listing what is removed along; then remove."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        host_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(_("Removing host %(name)s.") % {"name": row.name}, ctx.url("hosts"))

    return ask_removal_of_parts(ctx, row, _("host"), remove=act)


@member_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add a host by the address of its engine; the connection is tried before it is saved."""
    ctx.require_permission("hosts")
    sent, errors, host_key = ctx.request.POST, {}, ""
    if ctx.request.method == "POST":
        try:
            row = _create_host(ctx)
            return ctx.success_response(_("Host %(name)s was added.") % {"name": row.name}, buttons.row_url(row, ""))
        except Problem as problem:
            name = str(problem.field or "url")
            errors = {name if name in _FIELDS else "url": problem.message}
            host_key = (name == "hostKey" and problem.detail) or ""
    context = {"values": sent, "errors": errors, "shown_key": host_key}
    return ctx.render("console/host_new.html", context, status=422 if errors else 200)


def _create_host(ctx: RequestContext) -> Host:
    sent = ctx.request.POST
    tls = {name: sent.get(name, "").strip() for name in ("ca", "cert", "key")}
    if any(tls.values()) and not (tls["cert"] and tls["key"]):
        raise Invalid("url", "MissingRequired", _("A TLS connection needs the client's certificate and its key."))
    keys = {name: sent.get(field, "").strip() for name, field in _SSH_FIELDS.items()}
    keys["host_key"] = sent.get("confirmedKey", "").strip() or keys["host_key"]
    return host_create(
        actor=ctx.actor,
        environment=ctx.env,
        url=sent.get("url", "").strip(),
        name=sent.get("name", "").strip(),
        address=sent.get("address", "").strip(),
        labels=parse_key_values("labels", sent.get("labels", "")),
        tls={name: text + "\n" for name, text in tls.items() if text} | keys,
    )


MAX_LISTED = 12


@member_required
def evacuate(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, listing what moves and what stays; then start draining."""
    row = find(ctx, pk)
    if ctx.request.method == "POST":
        host_drain(row, actor=ctx.actor, stop_standalone=ctx.request.POST.get("stop") == "on")
        return ctx.success_response(_("Moving everything away from %(name)s.") % {"name": row.name})
    containers = list(containers_of(ctx.actor, ctx.env.pk).filter(host=row).order_by(*natural_order("name")))
    moves, stays = (
        [each for each in containers if each.keep_running],
        [each for each in containers if not each.keep_running],
    )
    context = {
        "row": row,
        "moves": moves[:MAX_LISTED],
        "has_other_host": _rows(ctx).filter(state="active").exclude(pk=row.pk).exists(),
        "more_moves": max(0, len(moves) - MAX_LISTED),
        "stays": stays[:MAX_LISTED],
        "more_stays": max(0, len(stays) - MAX_LISTED),
        "verdict": verdict(ctx.actor, "evacuate", row),
    }
    return ctx.render("console/host_evacuate.html", context)
