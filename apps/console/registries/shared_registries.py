"""The registries that administrators lend to environments."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters

from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.components.removal_dialog import ask_removal
from apps.console.registries.registry_form import LABELS, WELL_KNOWN, typed_account
from apps.console.request_context import RequestContext, admin_required, post_required
from apps.core.errors import Invalid
from apps.core.ids import parse_key
from apps.environments.access import ALLOWED
from apps.environments.models import Environment
from apps.vault.models import SharedRegistry
from apps.vault.registries.shared_services import (
    shared_registry_act,
    shared_registry_create,
    shared_registry_update,
)


def _rows() -> Any:
    return SharedRegistry.objects.filter(removed=None).defer("secret_value").order_by("domain")


def _environments() -> list[Environment]:
    return list(Environment.objects.filter(removed=None).order_by("name"))


@admin_required
def index(ctx: RequestContext) -> HttpResponse:
    """The list, with the environments that each is lent to."""
    names = {each.pk: each.name for each in _environments()}
    rows = list(_rows())
    for row in rows:
        row.borrowers = None if row.lent_to is None else [names[key] for key in row.lent_to if key in names]
    add = buttons.custom_button(
        gettext_lazy("Add registry"), "plus", ctx.url("shared-registry-new"), ALLOWED, is_dialog=True
    )
    return ctx.render("console/shared_registries.html", {"rows": rows, "add": add})


def _typed(ctx: RequestContext) -> dict[str, Any]:
    """What was typed, by the names of the services' arguments; an empty password keeps the one that is there."""
    sent, found = ctx.request.POST, dict[str, Any](typed_account(ctx))
    keys = [parse_key(text) for text in sent.getlist("environments")]
    found["lent_to"] = sorted(key for key in keys if key is not None) if sent.get("lending") == "some" else None
    return found


def _choices(chosen: list[int] | None) -> list[tuple[Environment, bool]]:
    return [(each, chosen is not None and each.pk in chosen) for each in _environments()]


@sensitive_post_parameters("secretValue")
@admin_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add one."""
    errors, typed = {}, _typed(ctx)
    if ctx.request.method == "POST":
        try:
            address = ctx.request.POST.get("serverAddress", "")
            row = shared_registry_create(actor=ctx.actor, server_address=address, **typed)
            message = _("Registry %(name)s was added.") % {"name": row}
            return ctx.success_response(message, ctx.url("shared-registries"))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    context = {
        "values": ctx.request.POST,
        "errors": errors,
        "well_known": WELL_KNOWN,
        "choices": _choices(typed["lent_to"]),
        "is_lent_to_some": typed["lent_to"] is not None,
    }
    return ctx.render("console/shared_registry_new.html", context, status=422 if errors else 200)


def _find(ctx: RequestContext, pk: int) -> SharedRegistry:
    row: SharedRegistry = ctx.get_or_404(_rows(), pk)
    return row


@sensitive_post_parameters("secretValue")
@admin_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change the account, the mirror, or to whom it is lent."""
    row = _find(ctx, pk)
    current = {
        "name": row.name,
        "public_value": row.public_value,
        "email": row.email,
        "mirror": row.mirror,
        "lent_to": row.lent_to,
    }
    edit = Edit(ctx, current, row, labels={**LABELS, "lent_to": gettext_lazy("Lent to")})

    def parse() -> dict[str, Any]:
        typed = _typed(ctx)
        if not typed["secret_value"]:
            del typed["secret_value"]
        return typed

    def save(**changes: Any) -> None:
        shared_registry_update(row, actor=ctx.actor, **changes)

    def context() -> dict[str, Any]:
        chosen = _typed(ctx)["lent_to"] if edit.is_typed("lent_to") else row.lent_to
        return {"choices": _choices(chosen), "is_lent_to_some": chosen is not None, "has_account": True}

    return handle_edit(edit, parse=parse, save=save, template="console/shared_registry_edit.html", context=context)


@admin_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = _find(ctx, pk)
    shared_registry_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    return ctx.success_response(_("Done."))


@admin_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask, then delete."""
    row = _find(ctx, pk)

    def act() -> HttpResponse:
        shared_registry_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(_("Deleting registry %(name)s.") % {"name": row}, ctx.url("shared-registries"))

    consequences = [_("Its account: environments without one of their own cannot pull with it any more.")]
    return ask_removal(ctx, row, remove=act, ask=lambda: {"kind": _("registry"), "consequences": consequences})
