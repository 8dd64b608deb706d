"""Registries: list, removal, switching on and off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.console.components import buttons
from apps.console.components.listing import count_states, filter_state, paginate, query_filters, sort_rows
from apps.console.components.removal_dialog import ask_removal
from apps.console.components.removal_sections import RemovalSection
from apps.console.request_context import RequestContext, member_required, post_required
from apps.containers.registry_use import RegistryUse, registry_use
from apps.vault.models import Registry, RegistryCredential, SharedRegistry
from apps.vault.registries.selectors import registries_of, registry_credentials_of, shared_registries_for
from apps.vault.registries.services import registry_act

COLUMNS = {"name": "domain", "state": "display_state", "created": "created"}
MAX_IMAGES_NAMED = 8


def find(ctx: RequestContext, pk: int) -> Registry:
    """A registry of this environment."""
    row: Registry = ctx.get_or_404(registries_of(ctx.actor, ctx.env.pk), pk)
    return row


def account_of(ctx: RequestContext, row: Registry) -> RegistryCredential | None:
    """The account that the registry's images are pulled with, without its secret."""
    rows = registry_credentials_of(ctx.actor, ctx.env.pk).filter(registry=row, desired="active")
    found: RegistryCredential | None = rows.first()
    return found


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The environment's registries, those that are lent to it, and those in use that nobody added."""
    filters = query_filters(ctx.request, "q", "state")
    rows = registries_of(ctx.actor, ctx.env.pk)
    if filters["q"]:
        rows = rows.filter(Q(name__icontains=filters["q"]) | Q(domain__icontains=filters["q"]))
    states = count_states(rows)
    found = filter_state(rows, filters["state"])
    page = paginate(ctx.request, sort_rows(found, ctx.request.GET.get("sort", ""), COLUMNS), filters)
    use = registry_use(ctx.actor, ctx.env.pk)
    _add_accounts(ctx, page.rows, use)
    lent = shared_registries_for(ctx.env.pk)
    known = {*registries_of(ctx.actor, ctx.env.pk).values_list("domain", flat=True), *(row.domain for row in lent)}
    context = {
        "page": page,
        "states": states,
        "lent": _with_use(lent, use),
        "unknown": [each for domain, each in sorted(use.items()) if domain not in known],
        "add": buttons.custom_button(
            gettext_lazy("Add registry"), "plus", ctx.url("registry-new"), ctx.can("operate"), is_dialog=True
        ),
    }
    return ctx.render("console/registries.html", context)


def _add_accounts(ctx: RequestContext, rows: Sequence[Registry], use: Mapping[str, RegistryUse]) -> None:
    """Give each row its active `account` and its `use`, with one query."""
    active = registry_credentials_of(ctx.actor, ctx.env.pk).filter(registry__in=[row.pk for row in rows])
    accounts = {each.registry_id: each for each in active.filter(desired="active")}
    for row in rows:
        row.account = accounts.get(row.pk)  # type: ignore[attr-defined]
        row.use = use.get(row.domain)  # type: ignore[attr-defined]


def _with_use(
    rows: Sequence[SharedRegistry], use: Mapping[str, RegistryUse]
) -> list[tuple[SharedRegistry, RegistryUse | None]]:
    return [(row, use.get(row.domain)) for row in rows]


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = find(ctx, pk)
    registry_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    messages = {
        "activate": _("Images of %(name)s are pulled with its account again."),
        "deactivate": _("Images of %(name)s are pulled without its account from now on."),
    }
    return ctx.success_response(messages.get(action, "%(name)s") % {"name": row})


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, with the images that are pulled from it; then remove."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        registry_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(_("Deleting registry %(name)s.") % {"name": row}, ctx.url("registries"))

    def ask() -> dict[str, Any]:
        used = registry_use(ctx.actor, ctx.env.pk).get(row.domain)
        found: dict[str, Any] = {"kind": _("registry"), "consequences": [_("Its account, with the password.")]}
        if row.mirror:
            found["consequences"].append(_("Its mirror: images are pulled from the registry itself."))
        if used is not None:
            text = ngettext(
                "%(count)d container is made from its images. It runs on, but its image may not be pulled any more:",
                "%(count)d containers are made from its images. They run on, but these may not be pulled any more:",
                used.containers,
            )
            images = tuple(used.images[:MAX_IMAGES_NAMED])
            section = RemovalSection(
                text % {"count": used.containers}, images, more=len(used.images) - len(images), tone="is-warn"
            )
            found["sections"] = [section]
        return found

    return ask_removal(ctx, row, remove=act, ask=ask)
