"""Making services and containers: the launch form, its clone, and what it would be as compose files."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console import buttons
from apps.console.door import Visit, inside, posted
from apps.console.launch import config_of, errors_of, typed, values_of
from apps.console.listing import natural
from apps.console.services import find
from apps.console.stacks import find as find_stack
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.core.errors import Invalid, Problem
from apps.hosts.models import Host
from apps.stacks.compose import ComposeService, export
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.services import links_set, service_create

TEMPLATE = "console/service_form.html"


@inside
def service_new(visit: Visit, stack: int) -> HttpResponse:
    """Add a service to a stack."""
    visit.need("operate")
    return _form(visit, find_stack(visit, stack), {"scale": "1", "start": "on", "restart": "always", "check": "none"})


@inside
def service_clone(visit: Visit, pk: int) -> HttpResponse:
    """The form filled with what another service has; values need the right to see them."""
    visit.need("operate")
    row = find(visit, pk)
    values = values_of(row.config)
    if not visit.can("values"):
        values.pop("env", None)
    links = ServiceLink.objects.filter(service=row)
    values |= {
        "name": f"{row.name}-copy",
        "description": row.description,
        "scale": row.scale,
        "start": "on",
        "linkRows": [(link.target_id, link.name) for link in links],
    }
    return _form(visit, row.stack, values)


def _form(visit: Visit, stack: Stack, values: dict[str, Any]) -> HttpResponse:
    errors: dict[str, str] = {}
    if visit.request.method == "POST":
        values = typed(visit.request.POST)
        try:
            row = _make(visit, stack)
            return visit.done(_("Service %(name)s was added.") % {"name": row.name}, buttons.address(row, ""))
        except Problem as problem:
            errors = errors_of(problem)
    context = {"stack": stack, "values": values, "errors": errors, **choices(visit)}
    return visit.show(TEMPLATE, context, status=422 if errors else 200)


def choices(visit: Visit) -> dict[str, Any]:
    """What the form offers: services to link to, hosts to run on."""
    services = Service.objects.within([visit.env.pk]).filter(removed=None).select_related("stack")
    services = services.defer("spec", "metadata", "stack__docker_compose")
    hosts = Host.objects.within([visit.env.pk]).filter(removed=None).defer("tls", "info")
    return {
        "services": list(services.order_by(*natural("stack__name"), *natural("name"))),
        "hosts": list(hosts.order_by(*natural("name"))),
    }


def _links(visit: Visit) -> list[tuple[Service, str]]:
    sent = visit.request.POST
    rows = [r for r in zip(sent.getlist("linkService"), sent.getlist("linkName"), strict=False) if r[0].isdigit()]
    known = Service.objects.within([visit.env.pk]).filter(removed=None).in_bulk([int(key) for key, _name in rows])
    if any(int(key) not in known for key, _name in rows):
        raise Invalid("links", "InvalidReference", _("One of the linked services is not there any more."))
    return [(known[int(key)], name.strip()) for key, name in rows]


def _make(visit: Visit, stack: Stack) -> Service:
    """The service and its links: both or neither."""
    sent = visit.request.POST
    text = sent.get("scale", "1").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        raise Invalid("scale", "InvalidFormat", _("The scale is a whole number."))
    config, links = config_of(sent), _links(visit)
    with transaction.atomic():
        row = service_create(
            actor=visit.actor,
            stack=stack,
            name=sent.get("name", "").strip(),
            description=sent.get("description", "").strip(),
            config=config,
            scale=int(text),
            start_on_create=bool(sent.get("start")),
        )
        if links:
            links_set(row, links, actor=visit.actor)
    return row


@inside
@posted
def preview(visit: Visit) -> HttpResponse:
    """The form as compose files, shown while it is filled in."""
    sent = visit.request.POST
    context: dict[str, Any] = {}
    visit.need("operate")
    try:
        links = tuple((target.name, name or target.name) for target, name in _links(visit))
        text = sent.get("scale", "1")
        made = ComposeService(
            name=sent.get("name", "").strip() or "service",
            config=config_of(sent),
            scale=int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1,
            links=links,
        )
        context["files"] = export([made])
    except Problem as problem:
        context["problem"] = problem
    return visit.show("console/parts/preview.html", context)


@inside
def container_new(visit: Visit) -> HttpResponse:
    """Add a container that belongs to no service."""
    visit.need("operate")
    values: dict[str, Any] = {"start": "on", "restart": "", "check": "none"}
    errors: dict[str, str] = {}
    if visit.request.method == "POST":
        values = typed(visit.request.POST)
        try:
            row = _container_make(visit)
            return visit.done(_("Container %(name)s was added.") % {"name": row.name}, buttons.address(row, ""))
        except Problem as problem:
            errors = errors_of(problem)
    context = {"values": values, "errors": errors, **choices(visit)}
    return visit.show(TEMPLATE, context, status=422 if errors else 200)


def _container_make(visit: Visit) -> Container:
    sent = visit.request.POST
    return container_create(
        actor=visit.actor,
        environment=visit.env,
        config=config_of(sent, start=bool(sent.get("start"))),
        name=sent.get("name", "").strip(),
        description=sent.get("description", "").strip(),
    )
