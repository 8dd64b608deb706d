"""What pages say of newer images: of a service, and of one row."""

from __future__ import annotations

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.console.components import buttons
from apps.console.components.state_badges import StateBadge
from apps.console.request_context import RequestContext
from apps.environments.access import verdict
from apps.stacks.models import Service
from apps.stacks.updates.models import ImageUpdate
from apps.stacks.updates.policies import policy_of
from apps.stacks.updates.policy import NEVER, NOTIFY, UpdatePolicy
from apps.stacks.updates.selectors import UpdateView, update_views, updates_of_service

STATES: dict[str, str | Promise] = {
    ImageUpdate.NEWER: gettext_lazy("newer image"),
    ImageUpdate.CURRENT: gettext_lazy("up to date"),
    ImageUpdate.UNKNOWN: gettext_lazy("not checked"),
}


def apply_button(ctx: RequestContext, view: UpdateView) -> Any:
    """The button that upgrades the service of a row; None where there is nothing to upgrade to."""
    row = view.update
    if row.service is None or row.state != ImageUpdate.NEWER or row.service.image_pins.get(row.image) == row.digest:
        return None
    url = ctx.url("updates-apply", pk=row.service.pk)
    allowed = verdict(ctx.actor, "upgrade", row.service)
    return buttons.custom_button(_("Update now"), "arrow-up", url, allowed, action="upgradeimages")


def update_badge(row: ImageUpdate) -> StateBadge:
    """What is known of an image, as a badge."""
    tone = {ImageUpdate.NEWER: "warn", ImageUpdate.CURRENT: "good"}.get(row.state, "off")
    return StateBadge(str(STATES[row.state]), tone)


def describe_policy(policy: UpdatePolicy) -> str:
    """A policy in words."""
    if policy.mode == NEVER:
        return _("do not look for newer images")
    if policy.mode == NOTIFY:
        return _("notify only")
    if not policy.has_window:
        return _("upgrade at any time")
    days = _("every day") if policy.days == "*" else policy.days
    window = {"days": days, "start": policy.start, "end": policy.end, "zone": policy.time_zone}
    return _("upgrade %(days)s from %(start)s to %(end)s (%(zone)s)") % window


def update_card(ctx: RequestContext, row: Service) -> dict[str, Any]:
    """What the page of a service says of newer images."""
    found = update_views(updates_of_service(row), ctx.env.pk)
    policy = policy_of(row)
    return {
        "views": found,
        "newer": [each for each in found if each.update.state == ImageUpdate.NEWER],
        "policy": describe_policy(policy),
        "is_own": bool(row.update_policy),
        "apply": next((button for each in found if (button := apply_button(ctx, each)) is not None), None),
        "change": buttons.custom_button(
            _("Change"), "pencil", ctx.url("service-update-policy", pk=row.pk), ctx.can("operate"), is_dialog=True
        ),
    }
