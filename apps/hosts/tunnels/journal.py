"""A host's timeline out of its agent's journal: what happened, also while the portal could not see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.core.defaults import setting_int
from apps.core.events import changed
from apps.core.texts import storable
from apps.hosts.models import Host, HostEvent

KEEP = 2000
_TOLD = ("image", "exitCode", "signal", "oldName", "reason")


def is_at_end(found: Mapping[str, Any], after: int) -> bool:
    """Whether this answer of the journal tells nothing beyond `after`, and no other journal began."""
    return not found.get("events") and int(found.get("last") or 0) == after


def keep(host_id: int, found: Mapping[str, Any]) -> tuple[int, bool]:
    """Write down one answer of the journal; up to where it is read now, and whether there is more to ask for.

    Where the ring has lost events since the last reading, or the agent began a new journal, a gap is written.
    """
    host = Host.all_objects.get(pk=host_id)
    first, last, after = int(found.get("first") or 0), int(found.get("last") or 0), host.journal_seq
    if last < after:
        HostEvent.objects.filter(host=host).update(seq=None)
        Host.all_objects.filter(pk=host_id).update(journal_seq=0)
        return 0, last > 0
    events = [event for event in found.get("events") or () if int(event["seq"]) > after]
    rows = [_row(host, event) for event in events]
    if after and first > after + 1:
        rows.insert(0, _gap(host, first - after - 1, rows[0].at if rows else timezone.now()))
    read = max((int(event["seq"]) for event in events), default=after)
    write(host, rows)
    Host.all_objects.filter(pk=host_id).update(journal_seq=read)
    return read, bool(events) and read < last


def write(host: Host, rows: Sequence[HostEvent]) -> None:
    """Add lines to the timeline, throw away the oldest beyond what is kept, and tell whoever looks at the host."""
    if not rows:
        return
    HostEvent.objects.bulk_create([row for row in rows if not row.action.startswith("exec_")], ignore_conflicts=True)
    _trim(host)
    changed(host.environment_id, host.KIND, host.pk)


def line(host: Host, at: float, kind: str, action: str, subject: str, attributes: Mapping[str, Any]) -> HostEvent:
    """One line; `at` is unix time by the host's clock. Raises `ValueError` for one that no calendar knows."""
    details = {name: _text(attributes[name], 255) for name in _TOLD if attributes.get(name)}
    return HostEvent(
        host=host,
        at=_moment(at - host.skew),
        kind=_text(kind, 32),
        action=_text(action, 64),
        subject=_text(subject, 128),
        name=_text(attributes.get("name") or "", 255),
        details=details,
    )


def _text(found: object, size: int) -> str:
    """As every database takes it: PostgreSQL refuses NULs."""
    return str(storable(str(found)))[:size]


def _moment(at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError(f"{at} is no time") from None


def _row(host: Host, event: Mapping[str, Any]) -> HostEvent:
    attributes = event.get("attributes") or {}
    row = line(host, float(event["at"]), str(event["kind"]), str(event["action"]), str(event.get("id", "")), attributes)
    row.seq = int(event["seq"])
    return row


def _gap(host: Host, count: int, at: datetime) -> HostEvent:
    return HostEvent(host=host, at=at - timedelta(microseconds=1), kind="gap", action="lost", details={"count": count})


def _trim(host: Host) -> None:
    mine = HostEvent.objects.filter(host=host)
    old = timezone.now() - timedelta(days=setting_int("retention.events.days"))
    oldest = mine.order_by("-at", "-id").values_list("at", flat=True)[KEEP : KEEP + 1]
    mine.filter(at__lte=max([old, *oldest])).delete()
