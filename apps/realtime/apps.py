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
        from apps.core.ports import ports

        ports.rights_changed.append(tell_sockets)


def tell_sockets(what: Mapping[str, Any]) -> int:
    """Have the sockets of the environment or account in `what` check their holders' rights; how many groups heard."""
    from apps.core.events import account_changed, rights_changed

    account_id = what.get("account")
    if account_id is not None:
        account_changed(account_id)
        return 1

    rights_changed(what["environment"])
    return 1
