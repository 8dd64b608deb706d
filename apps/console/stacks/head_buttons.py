"""What the head of a service's or stack's page offers beside its actions: the same on each of its tabs."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.request_context import RequestContext
from apps.console.stacks.lock_pages import may_change
from apps.environments.access import verdict
from apps.stacks.models import Service, Stack
from apps.stacks.service_options import BALANCER, SERVICE


def service_buttons(ctx: RequestContext, row: Service) -> list[buttons.Button]:
    """Upgrading and cloning a service of containers; changing where another kind leads."""
    may_update, may_upgrade = (verdict(ctx.actor, action, row) for action in ("update", "upgrade"))
    if row.kind == BALANCER:
        return [buttons.custom_button(_("Change rules"), "route", ctx.url("balancer-edit", pk=row.pk), may_update)]
    if row.has_containers:
        return [
            buttons.custom_button(_("Upgrade"), "arrow-up", ctx.url("service-upgrade", pk=row.pk), may_upgrade),
            buttons.custom_button(_("Clone"), "copy", ctx.url("service-clone", pk=row.pk), ctx.can("operate")),
        ]
    if row.kind == SERVICE:
        return []
    return [buttons.custom_button(_("Change target"), "route", ctx.url("service-target", pk=row.pk), may_update)]


@dataclass(frozen=True, slots=True)
class StackButtons:
    """The buttons of a stack: for all its services, for itself, and for what can be added to it."""

    bulk: list[buttons.Button]
    own: list[buttons.Button]
    add: buttons.Button
    add_others: list[buttons.Button]


def stack_buttons(ctx: RequestContext, row: Stack) -> StackButtons:
    """Starting and stopping all services, upgrading, promoting, adding services; one query."""
    may_add = may_change(ctx, row)
    services = Service.objects.within([ctx.env.pk]).filter(stack=row, removed=None)
    services = services.defer("spec", "secondary", "metadata", "balancer")
    may_upgrade = verdict(ctx.actor, "upgrade", row)
    others = (
        (_("Add balancer"), "balancer-new"),
        (_("Add external service"), "external-service-new"),
        (_("Add service alias"), "service-alias-new"),
    )
    found = list(services)
    return StackButtons(
        bulk=[_bulk_button(ctx, row, action, found) for action in ("activate", "deactivate")],
        own=[
            buttons.custom_button(_("Upgrade"), "arrow-up", ctx.url("stack-upgrade", pk=row.pk), may_upgrade),
            buttons.custom_button(_("Promote"), "route", ctx.url("stack-promote", pk=row.pk), ctx.can("values")),
        ],
        add=add_button(ctx, row),
        add_others=[
            buttons.custom_button(label, "plus", ctx.url(name, stack=row.pk), may_add) for label, name in others
        ],
    )


def add_button(ctx: RequestContext, row: Stack) -> buttons.Button:
    """The button that adds a service of containers."""
    return buttons.custom_button(_("Add service"), "plus", ctx.url("service-new", stack=row.pk), may_change(ctx, row))


def _bulk_button(ctx: RequestContext, row: Stack, action: str, services: list[Service]) -> buttons.Button:
    """The button that starts or stops all services; grey when no service is in a state for it."""
    labels = {"activate": (_("Start all"), "player-play"), "deactivate": (_("Stop all"), "player-stop")}
    allowed = may_change(ctx, row)
    is_applicable = any(verdict(ctx.actor, action, service) for service in services)
    reason = allowed.reason or ("" if is_applicable else _("No service is in a state for this."))
    url = ctx.url("stack-all", pk=row.pk, action=action)
    return buttons.Button(
        action, *labels[action], url, bool(allowed and is_applicable), reason, is_dialog=action == "deactivate"
    )
