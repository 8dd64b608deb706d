"""The Django app configuration of `realtime`; registers the hook that notifies sockets of changed rights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """WebSockets."""

    name = "apps.realtime"
    label = "realtime"

    def ready(self) -> None:
        """Register the hook that changes of rights call."""
        from apps.core.hooks import hooks

        hooks.rights_changed.append(notify_sockets)


def notify_sockets(change: Mapping[str, Any]) -> int:
    """Make the sockets of the environment or account in `change` check their rights; returns the group count."""
    from apps.core.events import account_changed, rights_changed

    account_id = change.get("account")
    if account_id is not None:
        account_changed(account_id)
        return 1

    rights_changed(change["environment"])
    return 1
