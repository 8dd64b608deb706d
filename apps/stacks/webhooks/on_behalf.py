"""On whose behalf a webhook acts: the account that made it or renewed its secret, with no more than it may do now."""

from __future__ import annotations

from apps.accounts.selectors import key_refusal
from apps.environments.access import can
from apps.environments.actor import Actor, actor_of_key, actor_of_user
from apps.stacks.webhooks.models import DeployWebhook

VIA = "webhook"
_REMEDY = "somebody who may operate here has to renew the webhook's secret."


def actor_of_webhook(row: DeployWebhook, address: str) -> Actor:
    """Who acts when it is called from `address`; nobody where the account or key is gone."""
    if row.account is None or (row.with_key and row.key is None):
        return Actor(None, VIA, address=address)
    if row.key is not None:
        return actor_of_key(row.key, VIA, address=address)
    return actor_of_user(row.account, VIA, address=address)


def refusal_of(row: DeployWebhook, actor: Actor) -> str:
    """Why that account may do nothing here any more; empty while it may."""
    if row.account is None:
        return f"The account that this webhook acts as is gone: {_REMEDY}"
    if not row.account.is_active:
        return f"The account that this webhook acts as is not active any more: activate it, or {_REMEDY}"
    if row.with_key and row.key is None:
        return f"The API key that this webhook was made with is gone: {_REMEDY}"
    if row.key is not None and (reason := key_refusal(row.key, actor.address)):
        return f"The API key that this webhook was made with cannot be used: {reason}"
    allowed = can(actor, "operate", row.environment_id)
    return "" if allowed else f"The account that this webhook acts as may not operate here any more: {_REMEDY}"
