"""One-time tickets for WebSockets, as `logs`, `execute` and the statistics links return them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.roles import READ_ONLY
from apps.environments.access import environment_of
from apps.environments.services import ticket_issue


class HostAccessResource(EmbeddedResource):
    """A ticket for a WebSocket and the URL that takes it."""

    name = "hostAccess"
    plural = "hostAccesses"
    roles = READ_ONLY
    own_fields = parse_fields("""
        token string r
        url   string r
    """)


class StatsAccessResource(EmbeddedResource):
    """A ticket for a statistics WebSocket and the URL that takes it."""

    name = "statsAccess"
    plural = "statsAccesses"
    roles = READ_ONLY
    own_fields = parse_fields("""
        token string r
        url   string r
    """)


def issue_socket_ticket(
    caller: ApiCaller, row: Any, verb: str, path: str, kind: str = "hostAccess", **details: Any
) -> dict[str, Any]:
    """Issue a ticket for `verb` on the row, with the URL of the socket that takes it."""
    # Browsers cannot send an Authorization header with a WebSocket. What is in the URL ends in logs, so it works once.
    token = ticket_issue(
        actor=caller.actor,
        environment_id=environment_of(row) or 0,
        verb=verb,
        kind=row.KIND,
        target=row.pk,
        details=details,
    )
    return {"type": kind, "links": {}, "actions": {}, "token": token, "url": caller.socket_url(path)}


def stats_ticket_link(path: str) -> Callable[[ApiCaller, Any], dict[str, Any]]:
    """The `call` of a statistics link."""
    return lambda caller, row: issue_socket_ticket(caller, row, "stats", path, "statsAccess")
