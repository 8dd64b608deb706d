"""One-time rights to open WebSockets: what `logs`, `execute` and the statistics links answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.environments.services import ticket_issue


def issue_socket_ticket(
    caller: ApiCaller, row: Any, verb: str, path: str, kind: str = "hostAccess", **details: Any
) -> dict[str, Any]:
    """A ticket for `verb` on the row, and the URL of the socket that takes it."""
    token = ticket_issue(
        actor=caller.actor,
        environment_id=row.environment_id,
        verb=verb,
        kind=row.KIND,
        target=row.pk,
        details=details,
    )
    return {"type": kind, "links": {}, "actions": {}, "token": token, "url": caller.socket_url(path)}


def stats_ticket_link(path: str) -> Callable[[ApiCaller, Any], dict[str, Any]]:
    """What a statistics link answers."""
    return lambda caller, row: issue_socket_ticket(caller, row, "stats", path, "statsAccess")
