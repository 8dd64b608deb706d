"""Adding a stack: empty, from pasted or uploaded compose files, or from a bundle."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.request_context import RequestContext, member_required, post_required
from apps.console.stacks.port_warning import port_errors, require_free_ports
from apps.core.errors import Invalid, Problem
from apps.stacks.bundle.archive import FIELD, MAX_BUNDLE
from apps.stacks.bundle.resolve import parse_variables, read_bundle
from apps.stacks.bundle_import import stack_create_from_bundle
from apps.stacks.compose import parse
from apps.stacks.models import Stack
from apps.stacks.port_shortage import compose_port_shortage, stack_port_shortage
from apps.stacks.services import stack_create

_FIELDS = frozenset({"name", "description", "rancherCompose", "variables", FIELD})


@member_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add a stack, empty or from compose files."""
    ctx.require_permission("operate")
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        try:
            row = _create(ctx)
            return ctx.success_response(_("Stack %(name)s was added.") % {"name": row.name}, buttons.row_url(row, ""))
        except (Invalid, Problem) as problem:
            errors = port_errors(problem) or {_error_field(problem): problem.message}
    context = {"values": ctx.request.POST, "errors": errors}
    return ctx.render("console/stack_new.html", context, status=422 if errors else 200)


def _create(ctx: RequestContext) -> Stack:
    values = ctx.request.POST
    what: dict[str, Any] = {
        "actor": ctx.actor,
        "environment": ctx.env,
        "name": values.get("name", "").strip(),
        "description": values.get("description", "").strip(),
        "variables": _submitted_variables(ctx),
        "start_on_create": bool(values.get("start")),
    }
    text, bundle = _submitted_text(ctx, "dockerCompose"), _uploaded(ctx, "bundleFile")
    with transaction.atomic():
        if bundle is not None and not text:
            row = stack_create_from_bundle(bundle.read(MAX_BUNDLE + 1), **what)
        else:
            row = stack_create(docker_compose=text, rancher_compose=_submitted_text(ctx, "rancherCompose"), **what)
        require_free_ports(values, stack_port_shortage(row))
    return row


def _error_field(problem: Problem) -> str:
    name = str(problem.field or "").partition(".")[0]
    return name if name in _FIELDS else "dockerCompose"


def _uploaded(ctx: RequestContext, name: str) -> UploadedFile | None:
    found = ctx.request.FILES.get(name)
    return found if isinstance(found, UploadedFile) else None


def _submitted_text(ctx: RequestContext, name: str) -> str:
    """The pasted text, or else the content of the chosen file."""
    pasted = ctx.request.POST.get(name, "").replace("\r\n", "\n")
    upload = _uploaded(ctx, f"{name}File")
    if pasted.strip() or upload is None:
        return pasted if pasted.strip() else ""
    try:
        return bytes(upload.read(1024 * 1024)).decode()
    except UnicodeDecodeError:
        raise Invalid(name, "InvalidFormat", _("This file is not valid UTF-8 text.")) from None


def _submitted_variables(ctx: RequestContext) -> dict[str, str]:
    """The values for the variables of the compose files, one NAME=value a line."""
    found = parse_variables(ctx.request.POST.get("variables", ""), field="variables")
    return {name: value or "" for name, value in found.items()}


@member_required
@post_required
def upload(ctx: RequestContext) -> HttpResponse:
    """Fill the form with what an uploaded bundle stands for, so that it is seen before anything is created."""
    ctx.require_permission("operate")
    values, context = ctx.request.POST.dict(), dict[str, Any]()
    try:
        bundle = _uploaded(ctx, "bundleFile")
        if bundle is None:
            raise Invalid(FIELD, "MissingRequired", _("Choose a zip or tar file."))
        found = read_bundle(bundle.read(MAX_BUNDLE + 1))
        values |= {"dockerCompose": found.docker_compose, "rancherCompose": found.rancher_compose}
        values["variables"] = "\n".join(f"{name}={_quoted(text)}" for name, text in found.variables.items())
        context = {"notes": found.notes, "errors": {}}
    except Problem as problem:
        context = {"errors": {FIELD: problem.message}}
    status = 422 if context["errors"] else 200
    return ctx.render("console/stack_new.html", {"values": values, **context}, status=status)


def _quoted(value: str) -> str:
    """A value as it is written in a file of variables: single quotes keep everything but themselves."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


@member_required
@post_required
def check(ctx: RequestContext) -> HttpResponse:
    """Preview a compose file while it is typed: its services, or the error with its line."""
    ctx.require_permission("operate")
    text, more = _submitted_text(ctx, "dockerCompose"), _submitted_text(ctx, "rancherCompose")
    context: dict[str, Any] = {"text": text}
    if text:
        try:
            name = ctx.request.POST.get("name", "").strip()
            parsed = parse(text, more, _submitted_variables(ctx), stack_name=name)
            context |= {"parsed": parsed, "shortage": compose_port_shortage(ctx.env, parsed)}
        except Problem as problem:
            context["problem"] = problem
    return ctx.render("console/parts/compose_check.html", context)
