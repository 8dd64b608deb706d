"""Trust rules: the list, one rule with what came of it, removal, switching on and off."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.http import HttpResponse
from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.components.listing import count_states, filter_state, paginate, query_filters, sort_rows
from apps.console.components.removal_dialog import ask_removal
from apps.console.keys.trust_rule_form import PRESETS
from apps.console.request_context import RequestContext, member_required, post_required
from apps.core.ids import wire_id
from apps.federation.models import TrustRule
from apps.federation.selectors import exchanges_of, issuer_state, trust_rules_of
from apps.federation.services import trust_rule_act
from apps.federation.snippets import kind_of, snippet
from apps.hosts.selectors import portal_base_url

COLUMNS = {
    "name": "name",
    "state": "display_state",
    "issuer": "issuer",
    "role": "role",
    "used": "last_used",
    "refused": "last_refused",
}


def find(ctx: RequestContext, pk: int) -> TrustRule:
    """A rule of this environment."""
    row: TrustRule = ctx.get_or_404(trust_rules_of(ctx.actor, ctx.env.pk), pk)
    return row


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The environment's rules, and a button for each kind of issuer."""
    filters = query_filters(ctx.request, "q", "state")
    rows = trust_rules_of(ctx.actor, ctx.env.pk)
    if filters["q"]:
        text = filters["q"]
        rows = rows.filter(Q(name__icontains=text) | Q(issuer__icontains=text) | Q(conditions__icontains=text))
    states = count_states(rows)
    found = filter_state(rows, filters["state"])
    page = paginate(ctx.request, sort_rows(found, ctx.request.GET.get("sort", ""), COLUMNS), filters)
    allowed = ctx.can("keys")
    url = ctx.url("trust-rule-new")
    add = [
        buttons.custom_button(preset.button, "plus", f"{url}?preset={name}", allowed, is_dialog=True)
        for name, preset in PRESETS.items()
    ]
    return ctx.render("console/trust_rules.html", {"page": page, "states": states, "add": add})


@member_required
def detail(ctx: RequestContext, pk: int) -> HttpResponse:
    """One rule: whom it trusts, what to paste into the CI's configuration, and which jobs had keys."""
    row = find(ctx, pk)
    portal = portal_base_url(ctx.request.build_absolute_uri("/"))
    kind = kind_of(row.issuer, row.conditions)
    context = {
        "row": row,
        "exchanges": exchanges_of(row),
        "issuer_state": issuer_state(row.issuer),
        "snippet": snippet(
            kind,
            portal=portal,
            place=wire_id("a", ctx.env.pk),
            audience=row.audience,
            environment=row.conditions.get("environment", ""),
        ),
    }
    return ctx.render("console/trust_rule.html", context)


@member_required
@post_required
def do(ctx: RequestContext, pk: int, action: str) -> HttpResponse:
    """Activate or deactivate."""
    row = find(ctx, pk)
    trust_rule_act(row, buttons.require_known_action(row, action), actor=ctx.actor)
    messages = {
        "activate": _("Jobs are given keys by %(name)s again."),
        "deactivate": _("%(name)s gives no keys from now on; those that it gave have ended."),
    }
    return ctx.success_response(messages.get(action, "%(name)s") % {"name": row})


@member_required
def remove(ctx: RequestContext, pk: int) -> HttpResponse:
    """Ask for confirmation; then remove."""
    row = find(ctx, pk)

    def act() -> HttpResponse:
        trust_rule_act(row, "remove", actor=ctx.actor)
        return ctx.success_response(_("Deleting trust rule %(name)s.") % {"name": row}, ctx.url("trust-rules"))

    def ask() -> dict[str, Any]:
        return {"kind": _("trust rule"), "consequences": [_("Jobs that log in by it are refused from now on.")]}

    return ask_removal(ctx, row, remove=act, ask=ask)
