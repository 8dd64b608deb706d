"""Stacks: list, detail page, compose files and actions."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.catalog.external_ids import SCHEME
from apps.catalog.launching import upgrade_choice
from apps.catalog.selectors import upgrades_of
from apps.console.components import buttons
from apps.console.components.listing import count_states, filter_state, paginate, query_filters, sort_rows
from apps.console.components.plurals import counted
from apps.console.components.removal_dialog import ask_removal_of_parts
from apps.console.components.rename_dialog import rename
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.head_buttons import add_button
from apps.console.stacks.service_rows import HEAVY_STACK_FIELDS, ServiceRow, service_rows
from apps.containers.failing_pulls import failing_pulls
from apps.containers.models import Container
from apps.control.models import Operation
from apps.core.errors import MethodNotAllowed, Problem
from apps.environments.access import verdict
from apps.stacks.bulk import stack_services_act
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import stack_export, stacks_of
from apps.stacks.services import (
    stack_update,
)
from apps.stacks.stack_upgrade import stack_act
from apps.stacks.undo import UNDO_SECONDS, change_undo

MAX_UNFOLDED = 8  # longer lists open only what fails
COLUMNS = {"name": "name", "state": "display_state", "created": "created"}


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The list of stacks with their services."""
    filters = query_filters(ctx.request, "q", "state")
    rows = stacks_of(ctx.actor, ctx.env.pk).defer(*HEAVY_STACK_FIELDS)
    if filters["q"]:
        by_service = Service.objects.within([ctx.env.pk]).filter(removed=None, name__icontains=filters["q"])
        rows = rows.filter(Q(name__icontains=filters["q"]) | Q(pk__in=by_service.values("stack")))
    states = count_states(rows, by_health=True)
    rows = filter_state(rows, filters["state"], by_health=True)
    page = paginate(ctx.request, sort_rows(rows, ctx.request.GET.get("sort", ""), COLUMNS, by_health=True), filters)
    by_stack = service_rows(ctx, stack__in=[row.pk for row in page.rows])
    entries = [(row, by_stack.get(row.pk, [])) for row in page.rows]
    upgrades = upgrades_of(ctx.actor, ctx.env.pk, page.rows)
    for row in page.rows:
        row.newer = upgrades.get(row.pk)
    context = {
        "page": page,
        "entries": entries,
        "states": states,
        "totals": _describe_totals(page.total, sum(len(services) for _row, services in entries), page.pages),
        "is_long": page.total > MAX_UNFOLDED,
        "add": _add_button(ctx),
    }
    return ctx.render("console/stacks.html", context)


def _describe_totals(stacks: int, services: int, pages: int) -> str:
    """How much the list holds; services are known of this page only."""
    text, more = counted("stack", stacks), counted("service", services)
    return text if pages > 1 or not stacks else f"{text}, {more}"


def _add_button(ctx: RequestContext) -> buttons.Button:
    return buttons.custom_button(gettext_lazy("Add stack"), "plus", ctx.url("stack-new"), ctx.can("operate"))


def find(ctx: RequestContext, pk: int) -> Stack:
    """A stack of this environment."""
    return ctx.get_or_404(stacks_of(ctx.actor, ctx.env.pk), pk)


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One stack: its services and links."""
    row = find(ctx, pk)
    services = service_rows(ctx, stack=row).get(row.pk, [])
    containers = Container.objects.within([ctx.env.pk]).filter(slot__service__stack=row)
    context = {
        "row": row,
        "services": services,
        "add": add_button(ctx, row),
        "failing_pulls": failing_pulls(ctx.env.pk, containers),
        "catalog_choice": upgrade_choice(ctx.actor, row) if row.external_id.startswith(SCHEME) else None,
    }
    return ctx.render("console/stack.html", context)


@member_required
def compose(ctx: RequestContext, pk: int) -> HttpResponse:
    """The stack as compose files, shown or (with `file`) downloaded."""
    row = find(ctx, pk)
    allowed = ctx.can("values")
    files: tuple[str, str] = stack_export(ctx.actor, row) if allowed else ("", "")
    names = ("docker-compose.yml", "rancher-compose.yml")
    wanted = ctx.request.GET.get("file", "")
    if wanted in names and allowed:
        response = HttpResponse(files[names.index(wanted)], content_type="application/yaml; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{wanted}"'
        return response
    edit = buttons.custom_button(
        _("Edit and upgrade"), "pencil", ctx.url("stack-upgrade", pk=row.pk), verdict(ctx.actor, "upgrade", row)
    )
    context = {
        "row": row,
        "files": list(zip(names, files, strict=True)),
        "reason": allowed.reason,
        "upgrade": edit,
    }
    return ctx.render("console/stack_compose.html", context)


@member_required
def activity(ctx: RequestContext, pk: int) -> HttpResponse:
    """The operations on the stack and its services."""
    row = find(ctx, pk)
    services = Service.objects.within([ctx.env.pk]).filter(stack=row).values("pk")
    mine = Q(kind="stack", target=row.pk) | Q(kind="service", target__in=services)
    rows = Operation.objects.within([ctx.env.pk]).filter(mine).select_related("account")[:50]
    return ctx.render("console/stack_activity.html", {"row": row, "operations": rows})


@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Rename or describe a stack."""
    return rename(ctx, find(ctx, pk), stack_update)


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, listing what is deleted along; then delete."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        stack_act(row, "remove", actor=ctx.actor, undo_seconds=UNDO_SECONDS)
        message = _("Deleted stack %(name)s.") % {"name": row.name}
        return ctx.success_response(message, ctx.url("stacks"), undo=buttons.row_url(row, "undo"))

    return ask_removal_of_parts(ctx, row, _("stack"), remove=act)


@member_required
@post_required
def undo(ctx: RequestContext, pk: int) -> HttpResponse:
    """Take the deletion back while nothing was removed yet."""
    row = find(ctx, pk)
    change_undo(row, actor=ctx.actor)
    return ctx.success_response(_("Stack %(name)s stays.") % {"name": row.name})


def _describe_services(services: list[ServiceRow]) -> list[str]:
    """Each service with how many containers it has."""
    return [
        _("service %(name)s with %(containers)s")
        % {"name": service_row.service.name, "containers": counted("container", service_row.total)}
        for service_row in services
    ]


@member_required
def services_all(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Start or stop every service of a stack; before they are stopped, a dialog asks."""
    row = find(ctx, pk)
    if action not in {"activate", "deactivate"}:
        raise Problem(_("There is no such action."), status=404)
    if ctx.request.method != "POST":
        if action == "activate":
            raise MethodNotAllowed(_("This address accepts only POST requests."))
        running = [each for each in service_rows(ctx, stack=row).get(row.pk, []) if each.running]
        context = {"row": row, "consequences": _describe_services(running)}
        return ctx.render("console/stop_all.html", context)
    left = stack_services_act(row, action, actor=ctx.actor)
    if left:
        message = _("Starting services of %(name)s.") if action == "activate" else _("Stopping services of %(name)s.")
    else:
        message = (
            _("Starting all services of %(name)s.") if action == "activate" else _("Stopping all services of %(name)s.")
        )
    return ctx.success_response(" ".join([message % {"name": row.name}, *left]))
