"""Certificates: list, detail page and removal."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components import buttons
from apps.console.components.listing import (
    count_states,
    filter_state,
    paginate,
    query_filters,
    sort_rows,
)
from apps.console.components.plurals import counted
from apps.console.components.removal_dialog import ask_removal
from apps.console.components.removal_sections import RemovalSection
from apps.console.request_context import RequestContext, member_required
from apps.vault.models import Certificate
from apps.vault.selectors import certificates_of, users_of_certificates
from apps.vault.services import certificate_remove

COLUMNS = {"name": "name", "state": "display_state", "domain": "common_name", "expires": "expires_at"}


def find(ctx: RequestContext, pk: int) -> Certificate:
    """A certificate of this environment."""
    row: Certificate = ctx.get_or_404(certificates_of(ctx.actor, ctx.env.pk), pk)
    return row


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The list, the most urgent first."""
    filters = query_filters(ctx.request, "q", "state")
    rows = certificates_of(ctx.actor, ctx.env.pk).defer("key", "order", "cert", "cert_chain")
    if filters["q"]:
        text = filters["q"]
        rows = rows.filter(
            Q(name__icontains=text) | Q(common_name__icontains=text) | Q(alternative_names__icontains=text)
        )
    states = count_states(rows)
    found = filter_state(rows, filters["state"])
    sort = ctx.request.GET.get("sort", "")
    ordered = sort_rows(found, sort, COLUMNS) if sort else found.order_by("expires_at", "pk")
    page = paginate(ctx.request, ordered, filters)
    users = users_of_certificates([row.pk for row in page.rows])
    for row in page.rows:
        row.users = users.get(row.pk, [])
    add = buttons.custom_button(gettext_lazy("Add certificate"), "plus", ctx.url("certificate-new"), ctx.can("operate"))
    totals = counted("certificate", page.total) if page.total else ""
    return ctx.render("console/certificates.html", {"page": page, "add": add, "states": states, "totals": totals})


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One certificate: what it says, what is odd about it, and what serves with it."""
    row = find(ctx, pk)
    users = users_of_certificates([row.pk]).get(row.pk, [])
    return ctx.render("console/certificate.html", {"row": row, "users": users})


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation, or say what still serves with it; then remove."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        certificate_remove(row, actor=ctx.actor)
        return ctx.success_response(_("Deleting certificate %(name)s.") % {"name": row.name}, ctx.url("certificates"))

    def ask() -> dict[str, Any]:
        users = users_of_certificates([row.pk]).get(row.pk, [])
        if not users:
            return {"kind": _("certificate"), "consequences": [_("Its private key; nobody can get it back.")]}
        return {
            "kind": _("certificate"),
            "sections": [
                RemovalSection(_("These still serve with it:"), tuple(each.name for each in users), tone="is-warn")
            ],
            "disabled_reason": _("Give them another certificate first."),
        }

    return ask_removal(ctx, row, remove=act, ask=ask)
