"""Adding services and containers: the launch form, cloning, and the compose preview."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from django.db import transaction
from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.listing import natural_order
from apps.console.containers.check_form import REQUEST_CHOICES
from apps.console.containers.launch_form import (
    changed_config,
    config_to_form,
    form_errors,
    form_sections,
    form_to_config,
    submitted_values,
    without_values,
)
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.port_warning import port_errors, require_free_ports
from apps.console.stacks.schedule_form import schedule_choices
from apps.console.stacks.service_details_form import (
    details_errors,
    details_form,
    details_of,
    parse_details,
    take_options,
)
from apps.console.stacks.service_kind_form import (
    FIELD,
    GLOBAL,
    kind_errors,
    kind_values,
    parse_kind,
    preview_kind,
    with_kind,
    without_kind,
)
from apps.console.stacks.services import find
from apps.console.stacks.sidekick_form import SidekickForm, sidekick_errors, submitted_sidekicks, with_unit_fields
from apps.console.stacks.stacks import find as find_stack
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.port_shortage import port_shortage
from apps.containers.services import container_create
from apps.core.errors import Invalid, Problem
from apps.core.ids import parse_key
from apps.hosts.models import Host
from apps.stacks.compose import ComposeService, export
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.port_shortage import service_port_shortage
from apps.stacks.service_options import BALANCER, DEFAULT_OPTIONS
from apps.stacks.services import links_set, service_create
from apps.stacks.sidekicks import UnitConfig

TEMPLATE = "console/service_form.html"
NO_SIDEKICKS = SidekickForm()


@dataclass(frozen=True, slots=True)
class CopiedUnit:
    """What the form was filled in from; what it does not show of that is copied. Empty for a new service."""

    config: LaunchConfig | None = None
    sidekicks: SidekickForm = NO_SIDEKICKS

    @classmethod
    def of(cls, ctx: RequestContext, row: Service) -> Self:
        """A copy of a service under another name, with values only for those who may see them."""
        can_see_values = bool(ctx.can("values"))
        sidekicks = SidekickForm.of_copy(row, f"{row.name}-copy", can_see_values=can_see_values)
        config = replace(without_kind(sidekicks.primary or row.config), start_on_create=True)
        return cls(config if can_see_values else without_values(config), sidekicks)

    def values(self) -> dict[str, Any]:
        """What the form shows."""
        return {**(config_to_form(self.config) if self.config else {}), **self.sidekicks.values()}

    def parse(self, sent: QueryDict) -> UnitConfig:
        """The configurations as they were typed. Raises `Invalid`."""
        if self.config is None:
            config = form_to_config(sent)
        else:
            config = changed_config(self.config, config_to_form(self.config), sent)
        return UnitConfig(with_unit_fields(config, sent), self.sidekicks.parse(sent))


NOTHING = CopiedUnit()


@member_required
def service_new(ctx: RequestContext, stack: int) -> HttpResponse:
    """Add a service to a stack."""
    ctx.require_permission("operate")
    return _handle_form(ctx, find_stack(ctx, stack), {"scale": "1", "start": "on", "check": "none"})


@member_required
def service_clone(ctx: RequestContext, pk: int) -> HttpResponse:
    """The form filled in from another service; its environment variables only for those who may see them."""
    ctx.require_permission("operate")
    row = find(ctx, pk)
    if not row.has_containers or row.kind == BALANCER:
        raise Problem(
            _("Only services with containers of their own can be cloned; add another one instead."), status=404
        )
    copied = CopiedUnit.of(ctx, row)
    links = ServiceLink.objects.filter(service=row)
    values = {
        **copied.values(),
        "name": copied.sidekicks.service,
        "description": row.description,
        **kind_values(row),
        **details_form(details_of(row)),
        "start": "on",
        "linkRows": [(link.target_id, link.name) for link in links],
    }
    return _handle_form(ctx, row.stack, values, copied, row.pk)


def _handle_form(
    ctx: RequestContext, stack: Stack, values: dict[str, Any], copied: CopiedUnit = NOTHING, copy_of: int | None = None
) -> HttpResponse:
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        values = {**submitted_values(ctx.request.POST), **submitted_sidekicks(ctx.request.POST)}
        try:
            row = _create_service(ctx, stack, copied)
            return ctx.success_response(_("Service %(name)s was added.") % {"name": row.name}, buttons.row_url(row, ""))
        except Problem as problem:
            own = sidekick_errors(problem) or kind_errors(problem) or details_errors(problem)
            errors = port_errors(problem) or own or form_errors(problem)
    context = {"stack": stack, "copy_of": copy_of, **_form_context(ctx, values, errors), **schedule_choices()}
    return ctx.render(TEMPLATE, context, status=422 if errors else 200)


def _form_context(ctx: RequestContext, values: dict[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    return {"values": values, "errors": errors, "sections": form_sections(values, errors), **form_choices(ctx)}


def form_choices(ctx: RequestContext) -> dict[str, Any]:
    """The choices of the form: services to link to, hosts, what rules can be about, and requests of checks."""
    services = Service.objects.within([ctx.env.pk]).filter(removed=None).select_related("stack")
    services = services.defer("spec", "secondary", "metadata", "stack__docker_compose")
    hosts = Host.objects.within([ctx.env.pk]).filter(removed=None).defer("tls", "info")
    chosen = list(hosts.order_by(*natural_order("name")))
    return {
        **REQUEST_CHOICES,
        "services": list(services.order_by(*natural_order("stack__name"), *natural_order("name"))),
        "hosts": chosen,
        "label_names": sorted({name for host in chosen for name in host.all_labels}),
        "label_values": sorted({str(text) for host in chosen for text in host.all_labels.values() if text}),
    }


def parse_links(ctx: RequestContext) -> list[tuple[Service, str]]:
    """The links as submitted. Raises `Invalid`."""
    sent = ctx.request.POST
    pairs = zip(sent.getlist("linkService"), sent.getlist("linkName"), strict=False)
    rows = [(parse_key(key), name.strip()) for key, name in pairs if key]
    known = Service.objects.within([ctx.env.pk]).filter(removed=None).in_bulk([key for key, _name in rows if key])
    if any(key not in known for key, _name in rows):
        raise Invalid("links", "InvalidReference", _("One of the linked services no longer exists."))
    return [(known[key], name) for key, name in rows if key]


def _create_service(ctx: RequestContext, stack: Stack, copied: CopiedUnit) -> Service:
    """Create the service with its links in one transaction."""
    sent = ctx.request.POST
    text = sent.get("scale", "1").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Invalid("scale", "InvalidFormat", _("The scale must be a whole number."))
    unit, links = copied.parse(sent), parse_links(ctx)
    details = parse_details(sent)
    options = take_options(details, DEFAULT_OPTIONS)
    with transaction.atomic():
        row = service_create(
            actor=ctx.actor,
            stack=stack,
            name=sent.get("name", "").strip(),
            description=sent.get("description", "").strip(),
            config=UnitConfig(with_kind(unit.primary, sent), unit.sidekicks),
            scale=1 if sent.get(FIELD) == GLOBAL else int(text),  # its field is hidden then
            start_on_create=bool(sent.get("start")),
            options=options or DEFAULT_OPTIONS,
            **details,
            **parse_kind(sent),
        )
        if links:
            links_set(row, links, actor=ctx.actor)
        require_free_ports(sent, service_port_shortage(row))
    return row


@member_required
@post_required
def preview(ctx: RequestContext) -> HttpResponse:
    """The form as compose files, updated while it is filled in."""
    sent = ctx.request.POST
    context: dict[str, Any] = {}
    ctx.require_permission("operate")
    if not sent.get("image", "").strip():  # nothing was typed yet: that is no mistake
        return ctx.render("console/parts/preview.html", context)
    try:
        copy_of = parse_key(ctx.request.GET.get("copyOf", ""))
        unit = (CopiedUnit.of(ctx, find(ctx, copy_of)) if copy_of else NOTHING).parse(sent)
        links = tuple((target.name, name or target.name) for target, name in parse_links(ctx))
        text = sent.get("scale", "1")
        details = parse_details(sent)
        made = ComposeService(
            name=sent.get("name", "").strip() or "service",
            config=preview_kind(unit.primary, sent),
            sidekicks=tuple((each.name, each.config) for each in unit.sidekicks),
            scale=int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1,
            links=links,
            options=take_options(details, DEFAULT_OPTIONS) or DEFAULT_OPTIONS,
            metadata=details["metadata"],
        )
        context["files"] = list(zip(("docker-compose.yml", "rancher-compose.yml"), export([made]), strict=True))
    except Problem as problem:
        context["problem"] = problem
    return ctx.render("console/parts/preview.html", context)


@member_required
def container_new(ctx: RequestContext) -> HttpResponse:
    """Add a standalone container."""
    ctx.require_permission("operate")
    values: dict[str, Any] = {"start": "on", "restart": "", "check": "none"}
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        values = submitted_values(ctx.request.POST)
        try:
            row = _create_container(ctx)
            return ctx.success_response(
                _("Container %(name)s was added.") % {"name": row.name}, buttons.row_url(row, "")
            )
        except Problem as problem:
            errors = port_errors(problem) or form_errors(problem)
    return ctx.render(TEMPLATE, _form_context(ctx, values, errors), status=422 if errors else 200)


def _create_container(ctx: RequestContext) -> Container:
    sent = ctx.request.POST
    with transaction.atomic():
        row = container_create(
            actor=ctx.actor,
            environment=ctx.env,
            config=form_to_config(sent, start=bool(sent.get("start"))),
            name=sent.get("name", "").strip(),
            description=sent.get("description", "").strip(),
        )
        require_free_ports(sent, port_shortage(row, int(row.desired == "running")))
    return row
