"""Accounts, for administrators."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.accounts.login.passwords import password_set
from apps.accounts.login.second_factor import factor_of
from apps.accounts.models import User
from apps.accounts.services import (
    KINDS,
    account_act,
    account_create,
    account_update,
)
from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.components.listing import paginate, query_filters, sort_rows
from apps.console.components.removal_dialog import ask_removal
from apps.console.request_context import RequestContext, admin_required, post_required
from apps.core.errors import NotFound, Problem
from apps.environments.access import Verdict

COLUMNS = {"name": "name", "login": "login", "kind": "kind", "state": "display_state", "created": "created"}
_YES = Verdict(allowed=True)


@admin_required
def index(ctx: RequestContext) -> HttpResponse:
    """The list of accounts."""
    filters = query_filters(ctx.request, "q")
    rows = User.objects.filter(removed=None)
    if filters["q"]:
        rows = rows.filter(login__icontains=filters["q"]) | rows.filter(name__icontains=filters["q"])
    page = paginate(ctx.request, sort_rows(rows, ctx.request.GET.get("sort", "name"), COLUMNS), filters)
    add = buttons.custom_button(_("Add account"), "plus", ctx.url("account-new"), _YES, is_dialog=True)
    return ctx.render("console/accounts.html", {"page": page, "add": add})


def find(pk: int) -> User:
    """An account."""
    row = User.objects.filter(pk=pk, removed=None).first()
    if row is None:
        raise NotFound(_("There is no such account."))
    return row


@admin_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add a local account."""
    sent, errors = ctx.request.POST, {}
    if ctx.request.method == "POST":
        try:
            row = account_create(
                actor=ctx.actor,
                login=sent.get("login", ""),
                password=sent.get("password", ""),
                name=sent.get("name", "").strip(),
                kind=sent.get("kind", "user"),
            )
            return ctx.success_response(_("Account %(name)s was added.") % {"name": row.login})
        except Problem as problem:
            errors = {problem.field or "login": problem.message}
    context = {"errors": errors, "values": sent, "kinds": KINDS}
    return ctx.render("console/account_new.html", context, status=422 if errors else 200)


@admin_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change name, kind and, if a new one is given, the password."""
    row, sent = find(pk), ctx.request.POST

    def parse() -> dict[str, Any]:
        password = {"password": sent["password"]} if sent.get("password") else {}
        return {"name": sent.get("name", "").strip(), "kind": sent.get("kind", row.kind), **password}

    return handle_edit(
        Edit(ctx, {"name": row.name, "kind": row.kind}, row),
        parse=parse,
        save=partial(_save, ctx, row),
        template="console/account_edit.html",
        context=lambda: {"kinds": KINDS, "factor": factor_of(row)},
    )


def _save(ctx: RequestContext, row: User, *, password: str = "", **changes: Any) -> None:
    """Save what was changed; all of it or nothing."""
    with transaction.atomic():
        if changes:
            account_update(row, actor=ctx.actor, **changes)
        if password:
            password_set(row, password, actor=ctx.actor)


@admin_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = find(pk)
    account_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    return ctx.success_response(_("Done."))


@admin_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask, then delete."""
    row = find(pk)

    def act() -> HttpResponse:
        account_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(_("Account %(name)s was deleted.") % {"name": row.login})

    consequences = [_("Its sessions end and its API keys are refused.")]
    return ask_removal(ctx, row, remove=act, ask=lambda: {"kind": _("account"), "consequences": consequences})
