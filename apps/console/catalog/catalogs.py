"""Catalogs: those of an environment, and those of the whole installation; added, changed, refreshed, removed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.debug import sensitive_post_parameters

from apps.catalog.lifecycle import PERMISSION
from apps.catalog.models import LIBRARY, Catalog
from apps.catalog.selectors import catalogs_of, site_catalogs, stacks_of_catalog
from apps.catalog.services import WIRE_NAMES, catalog_act, catalog_create, catalog_update
from apps.console.components import buttons
from apps.console.components.edit_form import Edit, handle_edit
from apps.console.components.removal_dialog import ask_removal
from apps.console.request_context import RequestContext, admin_required, member_required, post_required
from apps.core.errors import Invalid

INTERVALS = (
    (300, gettext_lazy("every 5 minutes")),
    (3600, gettext_lazy("every hour")),
    (86_400, gettext_lazy("every day")),
)
LABELS = {
    "url": gettext_lazy("Address"),
    "branch": gettext_lazy("Branch"),
    "username": gettext_lazy("User"),
    "poll_seconds": gettext_lazy("Looked at"),
}


def _prefix(ctx: RequestContext) -> str:
    return "catalog-source" if ctx.environment is not None else "site-catalog"


def _rows(ctx: RequestContext) -> Any:
    if ctx.environment is None:
        return site_catalogs()
    return catalogs_of(ctx.actor, ctx.env.pk)


def _find(ctx: RequestContext, pk: int) -> Catalog:
    """A catalog that this page manages: an environment's page shows those of the installation, and changes none."""
    rows = _rows(ctx) if ctx.environment is None else _rows(ctx).filter(environment=ctx.env.pk)
    row: Catalog = ctx.get_or_404(rows, pk)
    return row


def _index(ctx: RequestContext) -> HttpResponse:
    allowed = ctx.can(PERMISSION)
    add = buttons.custom_button(
        gettext_lazy("Add catalog"), "plus", ctx.url(f"{_prefix(ctx)}-new"), allowed, is_dialog=True
    )
    rows = list(_rows(ctx).order_by("environment", "name"))
    here = ctx.environment.pk if ctx.environment is not None else None
    context = {
        "rows": [row for row in rows if row.environment_id == here],
        "lent": [row for row in rows if row.environment_id != here],
        "add": add,
        "library": LIBRARY,
    }
    return ctx.render("console/catalog_sources.html", context)


def _typed(ctx: RequestContext) -> dict[str, Any]:
    """What was typed, by the names of the services' arguments; a password may begin or end with a space."""
    sent = ctx.request.POST
    found: dict[str, Any] = {column: sent.get(name, "") for column, name in WIRE_NAMES.items()}
    found = {column: value if column == "secret" else value.strip() for column, value in found.items()}
    found["poll_seconds"] = found["poll_seconds"] or "300"
    return found


def _new(ctx: RequestContext) -> HttpResponse:
    ctx.require_permission(PERMISSION)
    errors: Mapping[str, str] = {}
    if ctx.request.method == "POST":
        try:
            row = catalog_create(actor=ctx.actor, environment=ctx.environment, **_typed(ctx))
            text = _("Catalog %(name)s was added; its templates appear once it is read.") % {"name": row.name}
            return ctx.success_response(text, ctx.url(f"{_prefix(ctx)}s"))
        except Invalid as problem:
            errors = {str(problem.field): problem.message}
    context = {"values": ctx.request.POST, "errors": errors, "intervals": INTERVALS}
    return ctx.render("console/catalog_source_new.html", context, status=422 if errors else 200)


def _edit(ctx: RequestContext, pk: int) -> HttpResponse:
    row = _find(ctx, pk)
    ctx.require_permission(PERMISSION)
    current = {name: getattr(row, name) for name in WIRE_NAMES if name != "secret"}

    def parse() -> dict[str, Any]:
        typed = _typed(ctx)
        typed["poll_seconds"] = int(typed["poll_seconds"]) if typed["poll_seconds"].isdigit() else 0
        if not typed["secret"]:
            del typed["secret"]
        return typed

    def save(**changes: Any) -> None:
        catalog_update(row, actor=ctx.actor, **changes)

    return handle_edit(
        Edit(ctx, current, row, labels=LABELS),
        parse=parse,
        save=save,
        template="console/catalog_source_edit.html",
        context=lambda: {"intervals": INTERVALS, "has_account": bool(row.username)},
    )


def _do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    row = _find(ctx, pk)
    catalog_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    messages = {
        "refresh": _("Reading %(name)s again."),
        "activate": _("The templates of %(name)s can be launched again."),
        "deactivate": _("The templates of %(name)s are hidden from now on; stacks of it run on."),
    }
    return ctx.success_response(messages.get(action, "%(name)s") % {"name": row.name})


def _remove(ctx: RequestContext, pk: int) -> HttpResponse:
    row = _find(ctx, pk)

    def act() -> HttpResponse:
        catalog_act(row, "remove", actor=ctx.actor)
        text = _("Deleting catalog %(name)s.") % {"name": row.name}
        return ctx.success_response(text, ctx.url(f"{_prefix(ctx)}s"))

    def ask() -> dict[str, Any]:
        count = stacks_of_catalog(row)
        consequences = [_("Its templates, and the account that it is read with.")]
        if count:
            text = ngettext(
                "%(count)d stack is of this catalog. It runs on, but is offered no upgrades any more.",
                "%(count)d stacks are of this catalog. They run on, but are offered no upgrades any more.",
                count,
            )
            consequences.append(text % {"count": count})
        return {"kind": _("catalog"), "consequences": consequences}

    return ask_removal(ctx, row, remove=act, ask=ask)


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The catalogs of the environment, and those of the installation that it sees."""
    return _index(ctx)


@sensitive_post_parameters("secretValue")
@member_required
def new(ctx: RequestContext) -> HttpResponse:
    """Add a catalog to the environment."""
    return _new(ctx)


@sensitive_post_parameters("secretValue")
@member_required
def edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change a catalog of the environment; an empty password keeps the one that is there."""
    return _edit(ctx, pk)


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Refresh, activate or deactivate a catalog of the environment."""
    return _do(ctx, pk, action)


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, then remove a catalog of the environment."""
    return _remove(ctx, pk)


@admin_required
def site_index(ctx: RequestContext) -> HttpResponse:
    """The catalogs of the whole installation."""
    return _index(ctx)


@sensitive_post_parameters("secretValue")
@admin_required
def site_new(ctx: RequestContext) -> HttpResponse:
    """Add a catalog for all environments."""
    return _new(ctx)


@sensitive_post_parameters("secretValue")
@admin_required
def site_edit(ctx: RequestContext, pk: int) -> HttpResponse:
    """Change a catalog of the installation."""
    return _edit(ctx, pk)


@admin_required
@post_required
def site_do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Refresh, activate or deactivate a catalog of the installation."""
    return _do(ctx, pk, action)


@admin_required
def site_remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, then remove a catalog of the installation."""
    return _remove(ctx, pk)
