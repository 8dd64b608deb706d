"""Services: detail page, activity and actions."""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.components.freshness import combined_freshness
from apps.console.components.listing import natural_order, paginate, sort_rows
from apps.console.components.removal_dialog import ask_removal_of_parts
from apps.console.components.rename_dialog import rename, sent_texts
from apps.console.containers.check_form import network_check_facts
from apps.console.containers.containers import COLUMNS as CONTAINER_COLUMNS
from apps.console.containers.containers import defer_heavy_fields
from apps.console.containers.placement_summary import placement_lines
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks import kind_pages, lost_hosts, scale_down, service_runs
from apps.console.stacks.balancer_page import balancer_context
from apps.console.stacks.port_warning import require_free_ports
from apps.console.stacks.service_details_form import (
    DETAILS,
    details_of,
    edited_details,
    parse_details,
    take_options,
)
from apps.console.stacks.service_rows import meter_tone
from apps.console.stacks.update_card import update_card
from apps.console.stacks.upgrade_verdict import verdict_card
from apps.console.stacks.webhook_card import webhook_card
from apps.containers.failing_pulls import failing_pulls
from apps.containers.launch.kind_labels import is_global
from apps.containers.models import Container
from apps.containers.selectors import does_its_work, endpoints
from apps.control.models import Operation
from apps.core.edits import BasedOn
from apps.core.errors import Invalid
from apps.environments.access import verdict
from apps.stacks.lost_host_policy import parse_lost_after
from apps.stacks.models import Service, ServiceLink, ServiceRevision
from apps.stacks.names.values import service_fqdn
from apps.stacks.port_shortage import service_port_shortage
from apps.stacks.selectors import containers_to_run, service_events
from apps.stacks.service_options import SERVICE
from apps.stacks.services import service_act, service_update
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.undo import UNDO_SECONDS, change_undo, is_undoable
from apps.stacks.verdict.continuing import service_continue_upgrade

COLUMNS = {**CONTAINER_COLUMNS, "slot": "slot__number"}
_FRESHNESS_FIELDS = (
    "display_state",
    "desired",
    "status",
    "external_id",
    "observed_at",
    "host__display_state",
    "host__seen_at",
    "host__lost_at",
)


MAX_KEPT = 100  # shown of what an upgrade keeps; the list of containers has all


def find(ctx: RequestContext, pk: int) -> Service:
    """A service of this environment."""
    rows = Service.objects.within([ctx.env.pk]).filter(removed=None).select_related("stack")
    return ctx.get_or_404(rows, pk)


def _containers(ctx: RequestContext, row: Service) -> QuerySet[Container]:
    """The containers of the service with their hosts, including replacements that are not in a slot yet."""
    here = Q(slot__service=row) | Q(succeeds__service=row)
    rows: QuerySet[Container] = Container.objects.within([ctx.env.pk]).filter(here, removed=None)
    return rows.select_related("host")


def _kept(ctx: RequestContext, row: Service) -> list[Container]:
    """The containers of before, which an unfinished upgrade keeps for a rollback, sidekicks included."""
    if not row.upgrade_phase:
        return []
    kept = Q(kept_by__service=row)
    if row.desired == "active":
        sidekicks = Q(spread_key=str(row.uuid), keep_running=True, desired="stopped")
        kept |= sidekicks & ~Q(launch_name__in=("", PRIMARY))
    rows = defer_heavy_fields(Container.objects.within([ctx.env.pk]).filter(kept, removed=None))
    return list(rows.order_by(*natural_order("name"))[:MAX_KEPT])


def _add_sidekicks(ctx: RequestContext, row: Service, shown: Iterable[Any]) -> None:
    """Give each container of the page the others of its deployment unit; those that an upgrade keeps are left out."""
    by_unit: dict[str, list[Any]] = {each.deployment_unit: [] for each in shown if each.deployment_unit}
    if by_unit:
        rows = Container.objects.within([ctx.env.pk]).filter(deployment_unit__in=list(by_unit), removed=None)
        rows = rows.exclude(launch_name__in=("", PRIMARY))
        if row.desired == "active":
            rows = rows.exclude(desired="stopped")
        found: Any = defer_heavy_fields(rows.select_related("host")).order_by(*natural_order("name"))
        for each in found:
            each.published_ports = endpoints(each)
            by_unit[each.deployment_unit].append(each)
    for each in shown:
        each.sidekicks = by_unit.get(each.deployment_unit, [])


def freshness_rows(ctx: RequestContext, row: Service) -> QuerySet[Container]:
    """The containers of the service, with what says when they were last observed."""
    return _containers(ctx, row).only(*_FRESHNESS_FIELDS)


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One service: scale, containers, ports, links, labels."""
    row = find(ctx, pk)
    if not row.has_containers:
        return kind_pages.detail(ctx, row)
    mine = _containers(ctx, row)
    all_containers = list(freshness_rows(ctx, row))
    page = paginate(ctx.request, sort_rows(defer_heavy_fields(mine), ctx.request.GET.get("sort", "slot"), COLUMNS))
    for each in page.rows:
        each.published_ports = endpoints(each)
    _add_sidekicks(ctx, row, page.rows)
    links = ServiceLink.objects.filter(Q(service=row) | Q(target=row)).select_related("service__stack", "target__stack")
    can_see_values = ctx.can("values")
    context = {
        **_identity(row),
        "page": page,
        "ports": [each for container in page.rows for each in container.published_ports],
        "running": sum(map(does_its_work, all_containers)),
        "meter": meter_tone(row, sum(map(does_its_work, all_containers))),
        "freshness": combined_freshness(all_containers),
        "failing_pulls": failing_pulls(ctx.env.pk, mine),
        "lost_hosts": lost_hosts.lost_hosts_of(row, page.rows),
        "links": list(links),
        "placement_lines": placement_lines(mine, page.rows),
        "config": row.config,
        "check": network_check_facts(row.config.health_check),
        "env": _environment_values(row.config.environment, is_revealed=bool(can_see_values)),
        "values_reason": can_see_values.reason,
        "is_global": is_global(row.config),
        "wanted": containers_to_run(row),
        "scale": verdict(ctx.actor, "update", row),
        "runs": service_runs.run_rows(row),
        "next_run": service_runs.next_run(row),
        "policies": buttons.custom_button(
            _("Change"), "pencil", ctx.url("service-policies", pk=row.pk), ctx.can("operate"), is_dialog=True
        ),
        **_upgrade_context(ctx, row),
        **balancer_context(ctx, row),
    }
    return ctx.render("console/service.html", context)


def _identity(row: Service) -> dict[str, Any]:
    """Which service it is, and by what name others reach it."""
    return {"row": row, "fqdn": service_fqdn(row.name, row.stack.name)}


def _upgrade_context(ctx: RequestContext, row: Service) -> dict[str, Any]:
    return {
        "kept": _kept(ctx, row),
        "previous_image": _previous_image(row),
        "keeps_primary": row.current_version != row.revision,
        "verdict": verdict_card(row),
        "updates": update_card(ctx, row),
        "webhooks": webhook_card(ctx, row),
        "continuing": buttons.custom_button(
            _("Continue now"),
            "player-play",
            ctx.url("service-continue-upgrade", pk=row.pk),
            ctx.can("operate"),
        ),
    }


def _previous_image(row: Service) -> str:
    """The image that a rollback would go back to, while an upgrade waits for a decision."""
    if not row.upgrade_phase:
        return ""
    before = ServiceRevision.objects.filter(service=row, number=row.previous_revision or 0).first()
    return before.image if before else ""


def _environment_values(pairs: Any, *, is_revealed: bool) -> list[tuple[str, str]]:
    return [(name, value if is_revealed else "") for name, value in sorted(pairs.items())]


@member_required
def activity(ctx: RequestContext, pk: int) -> HttpResponse:
    """The operations on the service and its containers."""
    row = find(ctx, pk)
    containers = Container.objects.within([ctx.env.pk]).filter(spread_key=str(row.uuid)).values("pk")
    mine = Q(kind="service", target=row.pk) | Q(kind="container", target__in=containers)
    rows = Operation.objects.within([ctx.env.pk]).filter(mine).select_related("account")[:50]
    freshness = combined_freshness(freshness_rows(ctx, row))
    context = {"row": row, "operations": rows, "freshness": freshness, "events": service_events(row)[:50]}
    return ctx.render("console/service_activity.html", context)


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Start or stop a service, or decide about its upgrade."""
    row = find(ctx, pk)
    service_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    messages = {
        "activate": _("Starting %(name)s."),
        "deactivate": _("Stopping %(name)s."),
        "finishupgrade": _("Removing the old containers of %(name)s."),
        "rollback": _("Rolling %(name)s back."),
        "cancelupgrade": _("Canceling the upgrade of %(name)s."),
        "cancelrollback": _("Canceling the rollback of %(name)s."),
        "runnow": _("Running %(name)s."),
    }
    return ctx.success_response(messages.get(action, _("Requested.")) % {"name": row.name})


@member_required
def scale(ctx: RequestContext, pk: int) -> HttpResponse:
    """Set the number of containers, or change it by `by`; fewer only once what goes with them was read."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    if ctx.request.method != "POST":
        return scale_down.ask(ctx, row, _as_number(ctx.request.GET.get("scale", "")))
    text, by = ctx.request.POST.get("scale", "").strip(), ctx.request.POST.get("by", "")
    seen = parse_scale(ctx.request.POST.get("seen", ""))
    # Plus and minus send a difference: two people who click at once both count.
    wanted = max(0, row.scale + int(by)) if by in {"1", "-1"} else _as_number(text)
    if by not in {"1", "-1"}:
        row.based_on = BasedOn(None, {"scale": seen}) if isinstance(seen, int) else None
    is_stale = row.based_on is not None and seen != row.scale  # refused below: what was seen is not what there is
    if not is_stale and scale_down.must_ask(ctx, row, wanted):
        return scale_down.open_dialog(ctx, row, wanted)
    service_update(row, actor=ctx.actor, scale=wanted, undo_seconds=UNDO_SECONDS)
    message = _("Scaling %(name)s to %(count)d.") % {"name": row.name, "count": wanted}
    shortage = service_port_shortage(row)
    message = f"{message} {shortage}" if shortage else message
    return ctx.success_response(message, undo=buttons.row_url(row, "undo") if is_undoable(row) else "")


@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change name, description, scale and lost-host policy."""
    row, sent = find(ctx, pk), ctx.request.POST
    if not row.has_containers:
        return rename(ctx, row, service_update)
    current = {"name": row.name, "description": row.description, "scale": row.scale, "lost_after": row.lost_after}
    details = details_of(row) if row.kind == SERVICE else {}
    edit = Edit(ctx, {**current, **details}, row)

    def parse() -> dict[str, Any]:
        after = parse_lost_after(*lost_hosts.parse_lost_policy(sent), current=row.lost_after)
        more = parse_details(sent, details) if details and sent.get(DETAILS) else {}
        return {**sent_texts(ctx), "scale": parse_scale(sent.get("scale", "")), "lost_after": after, **more}

    def context() -> dict[str, Any]:
        lost = lost_hosts.lost_policy_form(row, sent if edit.is_typed("lost_after") else {})
        return {"lost": lost, "values": edited_details(edit, details) if details else None}

    return handle_edit(edit, parse=parse, save=partial(_save_edit, ctx, row), context=context)


def _save_edit(ctx: RequestContext, row: Service, **changes: Any) -> None:
    """Save; a larger scale that finds no host for its ports only once that was read and accepted. Raises `Invalid`."""
    changed = copy(row)  # the form goes on with the row as it is, if nothing is changed
    if options := take_options(changes, row.options):
        changes["options"] = options
    with transaction.atomic():
        service_update(changed, actor=ctx.actor, **changes)
        if changed.scale > row.scale:
            require_free_ports(ctx.request.POST, service_port_shortage(changed))


def _as_number(text: str) -> int:
    wanted = parse_scale(text)
    if not isinstance(wanted, int):
        raise Invalid("scale", "InvalidFormat", _("The scale must be a whole number."))
    return wanted


def parse_scale(text: str) -> Any:
    """The scale as a number; a text that is none is left for the service to refuse."""
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 9 else digits


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, listing what is deleted along; then delete."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        service_act(row, "remove", actor=ctx.actor, undo_seconds=UNDO_SECONDS)
        message = _("Deleted service %(name)s.") % {"name": row.name}
        return ctx.success_response(message, buttons.row_url(row.stack, ""), undo=buttons.row_url(row, "undo"))

    return ask_removal_of_parts(ctx, row, _("service"), remove=act)


@member_required
@post_required
def continue_upgrade(ctx: RequestContext, pk: int) -> HttpResponse:
    """Have an upgrade go on that waits for the verdict on its first batch."""
    row = find(ctx, pk)
    service_continue_upgrade(row, actor=ctx.actor)
    return ctx.success_response(_("The upgrade of %(name)s goes on.") % {"name": row.name})


@member_required
@post_required
def undo(ctx: RequestContext, pk: int) -> HttpResponse:
    """Take a deletion or a smaller scale back while nothing was removed yet."""
    row = find(ctx, pk)
    was_deleted = row.removal_requested
    change_undo(row, actor=ctx.actor)
    row.refresh_from_db()
    kept = ngettext("%(name)s keeps its %(count)d container.", "%(name)s keeps its %(count)d containers.", row.scale)
    message = _("Service %(name)s stays.") if was_deleted else kept
    return ctx.success_response(message % {"name": row.name, "count": row.scale})
