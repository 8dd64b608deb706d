"""The managed network of an environment: its subnet, encryption and policy, and how its hosts take part."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components.edit_form import Edit, handle_edit
from apps.console.environments.network_check import MOST_ROWS, matrix_of
from apps.console.environments.network_policy import policy_choices
from apps.console.request_context import RequestContext, member_required
from apps.environments.access import can
from apps.network.addressing import PLAIN, WIREGUARD
from apps.network.check_selectors import check_view
from apps.network.selectors import network_view
from apps.network.services import network_update

ENCRYPTIONS = (
    (WIREGUARD, gettext_lazy("WireGuard"), gettext_lazy("everything between hosts is encrypted")),
    (PLAIN, gettext_lazy("None"), gettext_lazy("where the hosts' own network is trusted, or encrypted already")),
)
LABELS = {
    "subnet": gettext_lazy("Subnet"),
    "encryption": gettext_lazy("Encryption"),
    "policy": gettext_lazy("Who may reach whom"),
    "port_range": gettext_lazy("Ports that are chosen"),
}


@member_required
def traffic(ctx: RequestContext) -> HttpResponse:
    """What passes between the hosts: the part of the page that asks for itself again and again."""
    return ctx.render("console/parts/network_traffic.html", {"hosts": network_view(ctx.env.pk).hosts})


@member_required
def index(ctx: RequestContext) -> HttpResponse:
    """The network: every member sees it, owners change it."""
    view, checked = network_view(ctx.env.pk), check_view(ctx.env.pk)
    current = {name: getattr(view.network, name) for name in LABELS}
    edit = Edit(ctx, current, labels=LABELS)

    def parse() -> dict[str, str]:
        sent = ctx.request.POST
        return {name: sent.get(name, current[name]).strip() for name in current}

    def save(**changes: Any) -> None:
        network_update(ctx.env, actor=ctx.actor, based_on=edit.based_on, **changes)

    def context() -> dict[str, Any]:
        return {
            "view": view,
            "subnet": edit.text("subnet"),
            "encryption": edit.text("encryption"),
            "encryptions": ENCRYPTIONS,
            "policy": edit.text("policy"),
            "port_range": edit.text("port_range"),
            "policies": policy_choices(ctx.env.pk, current["policy"]),
            "decide": can(ctx.actor, "own", ctx.env.pk),
            "check": checked,
            "matrix": matrix_of(checked),
            "most_rows": MOST_ROWS,
            "may_check": ctx.can("operate"),
            "measured_pair": next((each for each in checked.pairs if each.throughput_in_words), None),
            "active": _("%(count)d of %(total)d")
            % {"count": sum(each.is_active for each in view.hosts), "total": len(view.hosts)},
        }

    return handle_edit(edit, parse=parse, save=save, template="console/network.html", context=context)
