"""`statsHistory`, our own: what a host or container did in the last hours, a point a minute."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.kinds import wire_type
from apps.core.ids import wire_id
from apps.hosts.models import Host
from apps.hosts.stats.history import parse_hours, read_history


def stats_history(caller: ApiCaller, row: Any, query_params: QueryDict) -> dict[str, Any]:
    """What the link `statsHistory` answers; `hours` (one, unless said) says how far back."""
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
