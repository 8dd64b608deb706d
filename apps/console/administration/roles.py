"""Roles, built in and custom, for administrators."""

from __future__ import annotations

from collections.abc import Container
from functools import partial
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.request_context import RequestContext, admin_required
from apps.core.errors import NotFound, Problem
from apps.environments.access import ALLOWED
from apps.environments.models import Role
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors import role_choices, role_usage
from apps.environments.services import role_create, role_remove, role_update


@admin_required
def index(ctx: RequestContext) -> HttpResponse:
    """Every role with its permissions and how many members and keys have it."""
    choices = role_choices()
    used = role_usage([each.name for each in choices])
    context = {
        "choices": [(each, used[each.name]) for each in choices],
        "matrix": [(name, text, [name in each.permissions for each in choices]) for name, text in PERMISSIONS.items()],
        "add": buttons.custom_button(_("Add role"), "plus", ctx.url("role-new"), ALLOWED, is_dialog=True),
    }
    return ctx.render("console/roles.html", context)


def _find(pk: int) -> Role:
    row = Role.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound(_("There is no such role."))
    return row


def _switches(granted: Container[str]) -> list[tuple[str, Any, bool]]:
    return [(name, text, name in granted or name == "view") for name, text in PERMISSIONS.items()]


def _parse_form(ctx: RequestContext) -> dict[str, Any]:
    sent = ctx.request.POST
    texts = {name: sent.get(name, "").strip() for name in ("label", "description")}
    # In the order of the table, as roles hold them; what is unknown stays, for the service to refuse.
    ticked = {*sent.getlist("permissions"), "view"}
    known = [name for name in PERMISSIONS if name in ticked]
    return {"permissions": [*known, *sorted(ticked.difference(known))], **texts}


@admin_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add a role."""
    sent, errors = ctx.request.POST, {}
    if ctx.request.method == "POST":
        try:
            role_create(actor=ctx.actor, name=sent.get("name", "").strip(), **_parse_form(ctx))
            return ctx.success_response(_("The role was added."))
        except Problem as problem:
            errors = {problem.field or "name": problem.message}
    context = {"errors": errors, "values": sent, "permissions": _switches(sent.getlist("permissions"))}
    return ctx.render("console/role_edit.html", context, status=422 if errors else 200)


@admin_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change the permissions of a role; takes effect at once for everybody who has it."""
    row, sent = _find(pk), ctx.request.POST
    current = {"permissions": list(row.permissions), "label": row.label, "description": row.description}
    edit = Edit(ctx, current)

    def context() -> dict[str, Any]:
        granted = sent.getlist("permissions") if edit.is_typed("permissions") else current["permissions"]
        texts = {
            name: sent.get(name, "") if edit.is_typed(name) else current[name] for name in ("label", "description")
        }
        return {"row": row, "values": texts, "permissions": _switches(granted)}

    return handle_edit(
        edit,
        parse=lambda: _parse_form(ctx),
        save=partial(role_update, row, actor=ctx.actor, based_on=edit.based_on),
        template="console/role_edit.html",
        context=context,
    )


@admin_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Delete a role; asks for a replacement if it is in use."""
    row, wrong = _find(pk), ""
    if ctx.request.method == "POST":
        try:
            role_remove(row, actor=ctx.actor, replacement=ctx.request.POST.get("replacement", ""))
            return ctx.success_response(_("The role %(name)s was deleted.") % {"name": row.name})
        except Problem as problem:
            wrong = problem.message
    used = role_usage([row.name])[row.name]
    others = [each for each in role_choices() if each.name != row.name]
    context = {"row": row, "used": used, "others": others, "wrong": wrong}
    return ctx.render("console/role_remove.html", context, status=422 if wrong else 200)
