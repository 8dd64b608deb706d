"""For administrators: the roles there are, and those of one's own."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console import buttons
from apps.console.door import Visit, admins
from apps.core.errors import NotFound, Problem
from apps.environments.access import YES
from apps.environments.models import Role
from apps.environments.roles import PERMISSIONS
from apps.environments.selectors import role_choices, role_usage
from apps.environments.services import role_create, role_remove, role_update


@admins
def index(visit: Visit) -> HttpResponse:
    """Every role, what it may do, and how many have it."""
    choices = role_choices()
    used = role_usage([each.name for each in choices])
    context = {
        "choices": [(each, used[each.name]) for each in choices],
        "matrix": [(name, text, [name in each.permissions for each in choices]) for name, text in PERMISSIONS.items()],
        "add": buttons.plain(_("Add role"), "plus", visit.url("role-new"), YES, is_dialog=True),
    }
    return visit.show("console/roles.html", context)


def _find(pk: int) -> Role:
    row = Role.objects.filter(pk=pk).first()
    if row is None:
        raise NotFound(_("There is no such role."))
    return row


def _ask(visit: Visit, row: Role | None, errors: dict[str, str]) -> HttpResponse:
    sent = visit.request.POST
    held = sent.getlist("permissions") if sent else (row.permissions if row else ["view"])
    context: dict[str, Any] = {
        "row": row,
        "errors": errors,
        "values": sent or {"label": row.label if row else "", "description": row.description if row else ""},
        "permissions": [(name, text, name in held or name == "view") for name, text in PERMISSIONS.items()],
    }
    return visit.show("console/role_edit.html", context, status=422 if errors else 200)


def _sent(visit: Visit) -> dict[str, Any]:
    sent = visit.request.POST
    texts = {name: sent.get(name, "").strip() for name in ("label", "description")}
    return {"permissions": sent.getlist("permissions"), **texts}


@admins
def new(visit: Visit) -> HttpResponse:
    """Make a role."""
    if visit.request.method != "POST":
        return _ask(visit, None, {})
    try:
        role_create(actor=visit.actor, name=visit.request.POST.get("name", "").strip(), **_sent(visit))
    except Problem as problem:
        return _ask(visit, None, {problem.field or "name": problem.message})
    return visit.done(_("The role was added."))


@admins
def edit(visit: Visit, pk: int) -> HttpResponse:
    """Change what a role may do, for everybody who has it, at once."""
    row = _find(pk)
    if visit.request.method != "POST":
        return _ask(visit, row, {})
    try:
        role_update(row, actor=visit.actor, **_sent(visit))
    except Problem as problem:
        return _ask(visit, row, {problem.field or "permissions": problem.message})
    return visit.done(_("Saved."))


@admins
def remove(visit: Visit, pk: int) -> HttpResponse:
    """Ask, and which role comes in its place where it is in use; then delete it."""
    row, wrong = _find(pk), ""
    if visit.request.method == "POST":
        try:
            role_remove(row, actor=visit.actor, replacement=visit.request.POST.get("replacement", ""))
            return visit.done(_("The role %(name)s was deleted.") % {"name": row.name})
        except Problem as problem:
            wrong = problem.message
    used = role_usage([row.name])[row.name]
    others = [each for each in role_choices() if each.name != row.name]
    context = {"row": row, "used": used, "others": others, "wrong": wrong}
    return visit.show("console/role_remove.html", context, status=422 if wrong else 200)
