"""`statsHistory`, our own: what a host or container did in the last hours, a point a minute."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import QueryDict

from apps.api.wire.caller import Caller
from apps.core.ids import wire_id
from apps.hosts.history import history, hours_asked
from apps.hosts.models import Host


def stats_history(caller: Caller, row: Any, asked: QueryDict) -> dict[str, Any]:
    """What the link `statsHistory` answers; `hours` (one, unless said) says how far back."""
    hours = hours_asked(asked.get("hours", ""))
    points = history(row, hours)
    plural, letter = ("hosts", "h") if isinstance(row, Host) else ("containers", "i")
    key = wire_id(letter, row.pk)
    return {
        "type": "statsHistory",
        "links": {"self": caller.url(plural, key, "statshistory") + f"?hours={hours}"},
        "actions": {},
        "resourceType": row.KIND,
        "resourceId": key,
        "hours": hours,
        "asOf": _time(points[-1]["at"]) if points else None,
        "points": [{**point, "at": _time(point["at"])} for point in points],
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).isoformat().replace("+00:00", "Z")
