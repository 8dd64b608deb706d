"""The door to the browsers: which rows changed, sent in small batches over the channel layer after commit."""

from __future__ import annotations

from django.db import transaction

from apps.core.events.groups import agent_group, group, group_of_account
from apps.core.events.publisher import Publisher

__all__ = [
    "account_changed",
    "agent_changed",
    "agent_group",
    "changed",
    "group",
    "group_of_account",
    "rights_changed",
]

_publisher = Publisher()


def changed(environment_id: int | None, kind: str, key: int) -> None:
    """Tell the environment's viewers, once the transaction is committed, that this row is not what it was."""
    transaction.on_commit(lambda: _publisher.row(environment_id, kind, key))


def rights_changed(environment_id: int | None) -> None:
    """Have the environment's open sockets check at once, after commit, whether their holders may still be there."""
    transaction.on_commit(lambda: _publisher.rights(group(environment_id)))


def account_changed(account_id: int) -> None:
    """Have the open sockets of an account check at once, after commit, whether their holder may still be there."""
    transaction.on_commit(lambda: _publisher.rights(group_of_account(account_id)))


def agent_changed(host_id: int) -> None:
    """Have the open tunnels of a host check at once, after commit, whether their agent may still be there."""
    transaction.on_commit(lambda: _publisher.rights(agent_group(host_id)))
