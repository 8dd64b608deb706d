"""The form of a balancer: adding one, and changing its listeners, targets and rules while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.containers.launch_form import parse_key_values
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.balancer_values import (
    BLANK,
    check_targets,
    error_place,
    parse_settings,
    parse_targets,
    settings_values,
    target_rows,
    typed_values,
)
from apps.console.stacks.port_warning import port_errors, require_free_ports
from apps.console.stacks.service_form import form_choices
from apps.console.stacks.service_kind_form import GLOBAL
from apps.console.stacks.services import find, parse_scale
from apps.console.stacks.stacks import find as find_stack
from apps.containers.launch.kind_labels import GLOBAL_LABEL
from apps.core.defaults import setting
from apps.core.errors import Invalid, Problem
from apps.stacks.balancer.certificates import certificate_choices
from apps.stacks.balancer.changes import balancer_change
from apps.stacks.balancer.launch import IMAGE_SETTING
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.port_shortage import service_port_shortage
from apps.stacks.service_options import BALANCER, ServiceOptions, config_of_kind
from apps.stacks.services import links_set, service_create

TEMPLATE = "console/balancer_form.html"


@member_required
def balancer_new(ctx: RequestContext, stack: int) -> HttpResponse:
    """Add a balancer to a stack."""
    ctx.require_permission("operate")
    parent = find_stack(ctx, stack)

    def save() -> HttpResponse:
        row = _create(ctx, parent)
        return ctx.success_response(_("Balancer %(name)s was added.") % {"name": row.name}, buttons.row_url(row, ""))

    return _handle(ctx, {"stack": parent}, {**BLANK, "start": True}, save)


@member_required
def balancer_edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change a balancer."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    if row.kind != BALANCER:
        raise Problem(_("This service is no balancer."), status=404)

    def save() -> HttpResponse:
        is_replaced = _change(ctx, row)
        message = _("%(name)s is being upgraded.") if is_replaced else _("%(name)s was changed.")
        return ctx.success_response(message % {"name": row.name}, buttons.row_url(row, ""))

    links = ServiceLink.objects.filter(service=row, selected=False)
    more = {"targetRows": target_rows(links), "selector": row.selector_link, "labels": _labels_text(row)}
    values = {**settings_values(row.balancer_settings), **more}
    return _handle(ctx, {"row": row, "stack": row.stack}, values, save)


def _create(ctx: RequestContext, stack: Stack) -> Service:
    sent = ctx.request.POST
    settings = parse_settings(sent, BalancerSettings())
    links, rules = _targets(ctx, settings)
    labels = parse_key_values("labels", sent.get("labels", ""))
    labels |= {GLOBAL_LABEL: "true"} if sent.get("runs") == GLOBAL else {}
    with transaction.atomic():
        row = service_create(
            actor=ctx.actor,
            stack=stack,
            name=sent.get("name", "").strip(),
            description=sent.get("description", "").strip(),
            config=config_of_kind(BALANCER, {"labels": labels, "startOnCreate": True}),
            scale=1 if sent.get("runs") == GLOBAL else parse_scale(sent.get("scale", "1")),  # its field is hidden then
            start_on_create=bool(sent.get("start")),
            options=ServiceOptions(kind=BALANCER, selector_link=sent.get("selector", "").strip(), balancer=settings),
        )
        links_set(row, links, actor=ctx.actor, rules=rules)
        require_free_ports(sent, service_port_shortage(row))
    return row


def _change(ctx: RequestContext, row: Service) -> bool:
    sent = ctx.request.POST
    settings = parse_settings(sent, row.balancer_settings)
    links, rules = _targets(ctx, settings)
    before = copy(row)
    with transaction.atomic():
        is_replaced = balancer_change(
            row,
            actor=ctx.actor,
            settings=settings,
            links=links,
            rules=rules,
            selector=sent.get("selector", "").strip(),
            labels=_next_labels(before, sent.get("labels")),
            is_renewed=bool(sent.get("renew")),
        )
        require_free_ports(sent, service_port_shortage(row, before=before))
    return is_replaced


def _next_labels(row: Service, text: str | None) -> dict[str, str] | None:
    """The labels that were typed with those that the form does not show; None where nothing was changed."""
    if text is None or (typed := parse_key_values("labels", text)) == parse_key_values("labels", _labels_text(row)):
        return None
    return typed | {name: value for name, value in row.config.labels.items() if name == GLOBAL_LABEL}


def _labels_text(row: Service) -> str:
    return "\n".join(f"{name}={value}" for name, value in row.config.labels.items() if name != GLOBAL_LABEL)


def _targets(
    ctx: RequestContext, settings: BalancerSettings
) -> tuple[list[tuple[Service, str]], dict[str, list[TargetPort]]]:
    """The targets with their rules. Raises `Invalid`."""
    sent = ctx.request.POST
    found = parse_targets(sent, Service.objects.within([ctx.env.pk]).filter(removed=None).select_related("stack"))
    if not found[0] and not sent.get("selector", "").strip():
        raise Invalid("targets", "MissingRequired", _("Choose at least one target, or give a selector."))
    check_targets(settings, found[1])
    return found


def _handle(
    ctx: RequestContext, context: Mapping[str, Any], values: Mapping[str, Any], save: Callable[[], HttpResponse]
) -> HttpResponse:
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        values = typed_values(ctx.request.POST)
        try:
            return save()
        except Problem as problem:
            errors = port_errors(problem) or {error_place(problem): problem.message}
    found = {
        **context,
        "values": values,
        "errors": errors,
        "certificates": certificate_choices(ctx.env.pk),
        "image": setting(IMAGE_SETTING),
        "unmatched": _unmatched(values),
        **form_choices(ctx),
    }
    return ctx.render(TEMPLATE, found, status=422 if errors else 200)


def _unmatched(values: Mapping[str, Any]) -> bool:
    """Whether all rules are for some hosts and paths only, so that other requests get 503."""
    rows = [each for each in values.get("targetRows", ()) if each.get("service")]
    return bool(rows) and not values.get("selector") and all(each.get("host") or each.get("path") for each in rows)
