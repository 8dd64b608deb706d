"""On whose behalf a promotion runs: the account that requested it, with no more than it may do now."""

from __future__ import annotations

from apps.accounts.selectors import key_refusal
from apps.environments.actor import Actor, actor_of_key, actor_of_user
from apps.stacks.promotions.models import Promotion


def requester_of(row: Promotion) -> tuple[Actor, str]:
    """Who requested it, and why that account or key may do nothing any more; empty while it may."""
    via = row.via or "console"
    if row.account is None:
        return Actor(None, via), "The account that requested it is gone: request it again."
    if row.with_key:
        if row.key is None:
            return Actor(None, via), "The API key that requested it is gone: request it again."
        return actor_of_key(row.key, via, address=row.address), key_refusal(row.key, row.address)
    actor = actor_of_user(row.account, via, address=row.address)
    return actor, "" if row.account.is_active else "The account that requested it is not active any more."
