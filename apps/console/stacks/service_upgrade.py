"""Upgrading a service in the console: the launch form filled in, how to go about it, and what it will replace."""

from __future__ import annotations

from copy import copy
from typing import Any

from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.containers.launch_form import (
    changed_config,
    config_to_form,
    form_errors,
    form_sections,
    submitted_values,
    without_values,
)
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.batches_form import DEFAULT_BATCHES, parse_batches, parse_min_ready
from apps.console.stacks.port_warning import port_errors, require_free_ports
from apps.console.stacks.service_form import form_choices
from apps.console.stacks.services import find
from apps.console.stacks.sidekick_form import SidekickForm, sidekick_errors, submitted_sidekicks, with_unit_fields
from apps.console.stacks.upgrade_verdict import FORM_FIELDS, form_field, parse_verdict_form, verdict_form
from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Problem
from apps.stacks.models import Service, Slot
from apps.stacks.port_shortage import service_port_shortage
from apps.stacks.replaced_members import replaced_members
from apps.stacks.revision_diff import diff_configs
from apps.stacks.service_options import BALANCER
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy

_STRATEGY = {**DEFAULT_BATCHES, "order": "stop-first", "note": ""}
_OWN = frozenset({"batchSize", "interval", "minReady", "startFirst", "note"}) | FORM_FIELDS  # fields of this form alone


@member_required
def upgrade(ctx: RequestContext, pk: int) -> HttpResponse:
    """Show the form, or start the upgrade."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    if row.kind == BALANCER:
        raise Problem(_("A balancer is changed on a page of its own."), status=404)
    shown = _shown_values(ctx, row)
    sidekicks = SidekickForm.of(row, can_see_values=bool(ctx.can("values")))
    values, errors = {**shown, **sidekicks.values(), **_STRATEGY, **verdict_form(row)}, {}
    if ctx.request.method == "POST":
        values = {**submitted_values(ctx.request.POST), **submitted_sidekicks(ctx.request.POST)}
        try:
            _start_upgrade(ctx, row, shown, sidekicks)
            return ctx.success_response(_("Upgrading %(name)s.") % {"name": row.name}, buttons.row_url(row, ""))
        except Problem as problem:
            field = form_field(problem.field or "")
            own = {field: problem.message} if field in _OWN else {}
            errors = own or port_errors(problem) or sidekick_errors(problem) or form_errors(problem)
    context = {
        "row": row,
        "stack": row.stack,
        "is_upgrade": True,
        "values": values,
        "errors": errors,
        "sections": form_sections(values, errors),
        **form_choices(ctx),
    }
    return ctx.render("console/service_upgrade.html", context, status=422 if errors else 200)


@member_required
@post_required
def upgrade_preview(ctx: RequestContext, pk: int) -> HttpResponse:
    """What of the service would change, and which containers would be made anew, while the form is filled in."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    context: dict[str, Any] = {"row": row}
    try:
        form = SidekickForm.of(row, can_see_values=bool(ctx.can("values")))
        config, sidekicks = _parse_configs(ctx, row, _shown_values(ctx, row), form)
        before, after = UnitConfig(form.primary or row.config, form.base), UnitConfig(config, sidekicks)
        replaced = replaced_members(row.name, before, after)
        count = Slot.objects.filter(service=row).count()
        context |= {"changes": diff_configs(before, after), "replaced": replaced, "count": count}
    except Problem as problem:
        context["problem"] = problem
    return ctx.render("console/parts/upgrade_preview.html", context)


def _parse_configs(
    ctx: RequestContext, row: Service, shown: dict[str, Any], form: SidekickForm
) -> tuple[LaunchConfig, tuple[Sidekick, ...]]:
    sent = ctx.request.POST
    return with_unit_fields(changed_config(row.config, shown, sent), sent), form.parse(sent)


def _start_upgrade(ctx: RequestContext, row: Service, shown: dict[str, Any], form: SidekickForm) -> None:
    """Upgrade what was changed; the service's own containers stay when only its sidekicks were. Raises `Invalid`."""
    sent = ctx.request.POST
    config: LaunchConfig | None
    config, sidekicks = _parse_configs(ctx, row, shown, form)
    before, after = ([(each.name, each.config) for each in unit] for unit in (form.base, sidekicks))
    if before != after and config == form.primary:
        config = None
    strategy, note = _parse_strategy(sent), sent.get("note", "")
    previous = copy(row)
    with transaction.atomic():
        service_upgrade(
            row, actor=ctx.actor, config=config, sidekicks=sidekicks, strategy=strategy, note=note, is_whole=True
        )
        require_free_ports(sent, service_port_shortage(row, before=previous))


def _shown_values(ctx: RequestContext, row: Service) -> dict[str, Any]:
    """What the form shows of the service; the values in it only to those who may see them."""
    return config_to_form(row.config if ctx.can("values") else without_values(row.config))


def _parse_strategy(sent: QueryDict) -> UpgradeStrategy:
    batches, verdict = parse_batches(sent), parse_verdict_form(sent)
    keeps = bool(sent.get("keepVerdict"))
    is_first, least = sent.get("order") == "start-first", parse_min_ready(sent)
    return UpgradeStrategy(*batches, is_first, verdict, keeps_verdict=keeps, min_ready=least)
