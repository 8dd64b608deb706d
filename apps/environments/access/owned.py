"""Whose a row is: an environment's, the installation's or an account's own."""

from __future__ import annotations

from apps.accounts.models import ApiKey
from apps.core.models import Managed
from apps.environments.access.actor import Actor
from apps.environments.models import Environment


def environment_of(row: Managed) -> int | None:
    """The environment a row belongs to: its own key for an environment, None for site-wide rows."""
    if isinstance(row, Environment):
        return row.pk
    scope = getattr(row, "scope", None) if isinstance(row, ApiKey) else None
    return scope.environment_id if scope else getattr(row, "environment_id", None)


def is_own_thing(actor: Actor, row: Managed) -> bool:
    """Account keys are their account's own; a key that is held to less than managing keys leaves them alone."""
    mine = isinstance(row, ApiKey) and environment_of(row) is None and actor.user == row.account and not actor.scope
    return mine and (actor.limit is None or "keys" in actor.limit)
