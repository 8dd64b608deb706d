"""The forms that add a registry and change its account; both are tested through a host before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from apps.console.components.edit_form import Edit, handle_edit
from apps.console.registries.registries import account_of, find
from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.registry_check import registry_check
from apps.containers.registry_verdicts import NO_HOST
from apps.core.errors import Invalid, Problem
from apps.vault.models import Registry
from apps.vault.registries.addresses import DOCKER_HUB, parse_address
from apps.vault.registries.logins import RegistryLogin
from apps.vault.registries.services import check_account, registry_add, registry_edit

WELL_KNOWN: tuple[tuple[str, str | Promise], ...] = (
    (DOCKER_HUB, "Docker Hub"),
    ("quay.io", "Quay.io"),
    ("ghcr.io", "GitHub (ghcr.io)"),
    ("", gettext_lazy("Another one")),
)
LABELS = {
    "public_value": gettext_lazy("User"),
    "email": gettext_lazy("E-mail address"),
    "mirror": gettext_lazy("Mirror"),
}
_TEXTS = {
    "name": "name",
    "public_value": "publicValue",
    "secret_value": "secretValue",
    "email": "email",
    "mirror": "mirror",
}


def typed_account(ctx: RequestContext) -> dict[str, str]:
    """What was typed of name, account and mirror, by the names of the services' arguments.

    A password may begin or end with a space.
    """
    sent = ctx.request.POST
    found = {column: sent.get(name, "") for column, name in _TEXTS.items()}
    return {column: value if column == "secret_value" else value.strip() for column, value in found.items()}


def require_accepted(ctx: RequestContext, login: RegistryLogin) -> str:
    """Have a host log in, and return what is to be said about it; raises `Invalid` (`test`) when that fails.

    Whoever insists may skip it: a registry may be away for the moment.
    """
    if ctx.request.POST.get("untested"):
        return ""
    verdict = registry_check(actor=ctx.actor, environment=ctx.env, login=login)
    if verdict.is_accepted or verdict.kind == NO_HOST:
        return verdict.text
    raise Invalid("test", "InvalidOption", f"{verdict.text} {verdict.remedy}")


@sensitive_post_parameters("secretValue")
@member_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add a registry with its account."""
    ctx.require_permission("operate")
    errors: dict[str, str] = {}
    if ctx.request.method == "POST":
        try:
            row, said = _create(ctx)
            message = _("Registry %(name)s was added.") % {"name": row}
            return ctx.success_response(f"{message} {said}".strip(), ctx.url("registries"))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    values = ctx.request.POST or ctx.request.GET
    context = {"values": values, "errors": errors, "well_known": WELL_KNOWN}
    return ctx.render("console/registry_new.html", context, status=422 if errors else 200)


def _create(ctx: RequestContext) -> tuple[Registry, str]:
    address, account = ctx.request.POST.get("serverAddress", ""), typed_account(ctx)
    login = _login(address, account)
    said = require_accepted(ctx, login) if login.username or login.password else ""
    return registry_add(actor=ctx.actor, environment=ctx.env, server_address=address, **account), said


def _login(address: str, account: Mapping[str, str]) -> RegistryLogin:
    """What is to be tested. Raises `Invalid`."""
    domain = parse_address("serverAddress", address).domain
    checked = check_account({name: account[name] for name in ("public_value", "secret_value")})
    return RegistryLogin(domain, checked["public_value"], checked["secret_value"])


@sensitive_post_parameters("secretValue")
@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change a registry's account and mirror; an empty password keeps the one that is there."""
    row = find(ctx, pk)
    ctx.require_permission("operate")
    stored = account_of(ctx, row)
    current = {
        "name": row.name,
        "description": row.description,
        "mirror": row.mirror,
        "public_value": stored.public_value if stored else "",
        "email": stored.email if stored else "",
    }
    edit = Edit(ctx, current, row, labels=LABELS)

    def parse() -> dict[str, Any]:
        typed = {**typed_account(ctx), "description": ctx.request.POST.get("description", "").strip()}
        if not typed["secret_value"]:
            del typed["secret_value"]
        return typed

    def save(**changes: str) -> None:
        if {"public_value", "secret_value"} & changes.keys():
            known = stored.login if stored else RegistryLogin(row.domain, "", "")
            account = {
                "public_value": changes.get("public_value", known.username),
                "secret_value": changes.get("secret_value", known.password),
            }
            require_accepted(ctx, _login(row.domain, account))
        registry_edit(row, actor=ctx.actor, **changes)

    return handle_edit(
        edit,
        parse=parse,
        save=save,
        template="console/registry_edit.html",
        context=lambda: {"has_account": stored is not None},
    )


@sensitive_post_parameters("secretValue")
@member_required
@post_required
def test(ctx: RequestContext) -> HttpResponse:
    """Test what a form holds; with `registry`, an empty password is the one that is stored."""
    ctx.require_permission("operate")
    account, known = typed_account(ctx), ctx.request.POST.get("registry", "")
    row = find(ctx, int(known)) if known.isascii() and known.isdigit() and len(known) < 18 else None
    if row is not None and not account["secret_value"] and (stored := account_of(ctx, row)) is not None:
        account["secret_value"] = stored.secret_value
    address = row.domain if row is not None else ctx.request.POST.get("serverAddress", "")
    verdict = registry_check(actor=ctx.actor, environment=ctx.env, login=_login(address, account))
    if not verdict.is_accepted:
        raise Problem(f"{verdict.text} {verdict.remedy}".strip(), status=422, field="test")
    return ctx.success_response(verdict.text, changed=False)
