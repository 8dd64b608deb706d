"""`statsHistory` (not in Rancher's v1): samples of a host or container over the last hours, one per minute."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.embedded import EmbeddedResource
from apps.api.wire.fields import parse_fields
from apps.api.wire.kinds import wire_type
from apps.api.wire.roles import READ_ONLY
from apps.core.ids import wire_id
from apps.hosts.models import Host
from apps.hosts.stats.history import parse_hours, read_history


class StatsHistoryResource(EmbeddedResource):
    """Samples of a host or container over the last hours."""

    name = "statsHistory"
    plural = "statsHistories"
    roles = READ_ONLY
    own_fields = parse_fields("""
        asOf         date   r
        hours        int    r
        points       json   r
        resourceId   string r
        resourceType string r
    """)


def stats_history(caller: ApiCaller, row: Any, query_params: QueryDict) -> dict[str, Any]:
    """The `call` of the link `statsHistory`; `hours` (default one) says how far back."""
    hours = parse_hours(query_params.get("hours", ""))
    points = read_history(row, hours)
    plural, prefix = ("hosts", "h") if isinstance(row, Host) else ("containers", "i")
    key = wire_id(prefix, row.pk)
    return {
        "type": "statsHistory",
        "links": {"self": caller.url(plural, key, "statshistory") + f"?hours={hours}"},
        "actions": {},
        "resourceType": wire_type(row.KIND),
        "resourceId": key,
        "hours": hours,
        "asOf": _format_timestamp(points[-1]["at"]) if points else None,
        "points": [{**point, "at": _format_timestamp(point["at"])} for point in points],
    }


def _format_timestamp(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
