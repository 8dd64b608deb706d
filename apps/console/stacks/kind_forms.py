"""Adding external services and service aliases, and changing where they lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.containers.check_form import REQUEST_CHOICES, network_check_values, parse_network_check
from apps.console.request_context import RequestContext, member_required
from apps.console.stacks.service_form import form_choices, parse_links
from apps.console.stacks.services import find
from apps.console.stacks.stacks import find as find_stack
from apps.containers.launch.values import HealthCheck
from apps.core.errors import Invalid, Problem
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.service_options import (
    ALIAS,
    EXTERNAL,
    ExternalTarget,
    ServiceOptions,
    config_of_kind,
    parse_target,
)
from apps.stacks.services import links_set, service_create, service_update

TEMPLATE = "console/service_kind_form.html"
CONTROLS = {
    "name": "name",
    "description": "description",
    "externalIpAddresses": "addresses",
    "hostname": "hostname",
    "selectorLink": "selector",
    "links": "links",
    "serviceLinks": "links",
    "serviceId": "links",
    "port": "checkPort",
    "checkPort": "checkPort",
    "checkPath": "checkPath",
    "requestLine": "checkPath",
}


@member_required
def external_new(ctx: RequestContext, stack: int) -> HttpResponse:
    """Add an external service to a stack."""
    return _new(ctx, find_stack(ctx, stack), EXTERNAL)


@member_required
def alias_new(ctx: RequestContext, stack: int) -> HttpResponse:
    """Add a service alias to a stack."""
    return _new(ctx, find_stack(ctx, stack), ALIAS)


@member_required
def target(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change where a service without containers leads."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    if row.kind not in {EXTERNAL, ALIAS}:
        raise Problem(_("This service leads to its containers."), status=404)

    def save() -> Service:
        with transaction.atomic():
            service_update(row, actor=ctx.actor, options=_parse_options(ctx, row.options))
            if row.kind == ALIAS:
                links_set(row, parse_links(ctx), actor=ctx.actor)
        return row

    links = ServiceLink.objects.filter(service=row, selected=False)
    values = {
        "addresses": "\n".join(row.options.external.addresses),
        "hostname": row.options.external.hostname,
        **_check_values(row.options.external),
        "selector": row.selector_link,
        "linkRows": [(link.target_id, link.name) for link in links],
    }
    context = {"row": row, "stack": row.stack, "kind": row.kind}
    return _handle(ctx, context, values, save, _("%(name)s leads elsewhere now."))


def _new(ctx: RequestContext, stack: Stack, kind: str) -> HttpResponse:
    ctx.require_permission("operate")

    def save() -> Service:
        sent = ctx.request.POST
        with transaction.atomic():
            row = service_create(
                actor=ctx.actor,
                stack=stack,
                name=sent.get("name", "").strip(),
                description=sent.get("description", "").strip(),
                config=config_of_kind(kind, {}),
                start_on_create=True,
                options=_parse_options(ctx, ServiceOptions(kind=kind)),
            )
            if kind == ALIAS:
                links_set(row, parse_links(ctx), actor=ctx.actor)
        return row

    return _handle(ctx, {"stack": stack, "kind": kind}, {}, save, _("Service %(name)s was added."))


def _parse_options(ctx: RequestContext, current: ServiceOptions) -> ServiceOptions:
    sent = ctx.request.POST
    if current.kind == ALIAS:
        selector = sent.get("selector", "").strip()
        if not selector and not any(sent.getlist("linkService")):
            raise Invalid("links", "MissingRequired", _("Choose at least one service, or give a selector."))
        return replace(current, selector_link=selector)
    addresses = sent.get("addresses", "").replace(",", " ").split()
    # A program that sends no choice leaves the check as it is.
    check = _parse_check(sent) if "check" in sent else current.external.health_check
    return replace(current, external=parse_target(addresses, sent.get("hostname", "").strip(), check))


def _parse_check(sent: QueryDict) -> dict[str, Any] | None:
    kind = sent.get("check", "none")
    return parse_network_check(sent, kind) if kind in {"tcp", "http"} else None


def _check_values(target: ExternalTarget) -> dict[str, Any]:
    check = target.health_check
    return network_check_values(HealthCheck.from_wire(check)) if check else {"check": "none"}


def _handle(
    ctx: RequestContext, context: dict[str, Any], values: dict[str, Any], save: Callable[[], Service], done: str
) -> HttpResponse:
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        sent = ctx.request.POST
        pairs = zip(sent.getlist("linkService"), sent.getlist("linkName"), strict=False)
        values = {**sent.dict(), "linkRows": [pair for pair in pairs if any(pair)]}
        try:
            row = save()
            return ctx.success_response(done % {"name": row.name}, buttons.row_url(row, ""))
        except Problem as problem:
            field = str(problem.field).removeprefix("healthCheck.")
            errors = {CONTROLS.get(field, "form"): problem.message}
    choices = form_choices(ctx) if context["kind"] == ALIAS else REQUEST_CHOICES
    context = {**context, "values": values, "errors": errors, **choices, "is_external": context["kind"] == EXTERNAL}
    return ctx.render(TEMPLATE, context, status=422 if errors else 200)
