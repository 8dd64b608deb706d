"""Django's handle on `realtime`: sockets hear at once when somebody's rights change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """WebSockets."""

    name = "apps.realtime"
    label = "realtime"

    def ready(self) -> None:
        """Register with the port that membership changes call."""
        from apps.core.hooks import hooks

        hooks.rights_changed.append(notify_sockets)


def notify_sockets(change: Mapping[str, Any]) -> int:
    """Have the sockets of the environment or account in `change` check their holders' rights; how many groups heard."""
    from apps.core.events import account_changed, rights_changed

    account_id = change.get("account")
    if account_id is not None:
        account_changed(account_id)
        return 1

    rights_changed(change["environment"])
    return 1
