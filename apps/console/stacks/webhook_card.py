"""What the page of a service says of its deploy webhooks."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from apps.console.components import buttons
from apps.console.request_context import RequestContext
from apps.stacks.models import Service
from apps.stacks.webhooks.selectors import webhooks_of_service
from apps.stacks.webhooks.services import may_hold_secret


def webhook_card(ctx: RequestContext, row: Service) -> dict[str, Any]:
    """The webhooks of a service, and the button that adds one."""
    return {
        "rows": webhooks_of_service(row),
        "add": buttons.custom_button(
            _("Add webhook"),
            "plus",
            ctx.url("deploy-webhook-new", service=row.pk),
            may_hold_secret(ctx.actor, ctx.env.pk),
            is_dialog=True,
        ),
    }
