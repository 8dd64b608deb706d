"""A host's timeline from its agent's journal: what happened, including while the portal was away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.core.defaults import setting_int
from apps.core.events import row_changed
from apps.core.texts import strip_unstorable
from apps.hosts.models import Host, HostEvent

MAX_EVENTS = 2000
_DETAIL_FIELDS = ("image", "exitCode", "signal", "oldName", "reason")


def is_at_end(page: Mapping[str, Any], after: int) -> bool:
    """Whether this page of the journal holds nothing beyond `after`, and the agent did not start another journal."""
    return not page.get("events") and int(page.get("last") or 0) == after


def store_page(host_id: int, page: Mapping[str, Any]) -> tuple[int, bool]:
    """Store one page of the journal; return up to where it is read now, and whether there are more pages.

    Where the ring has lost events since the last reading, or the agent began a new journal, a gap is written.
    """
    host = Host.all_objects.get(pk=host_id)
    first, last, after = int(page.get("first") or 0), int(page.get("last") or 0), host.journal_seq
    if last < after:
        HostEvent.objects.filter(host=host).update(seq=None)
        Host.all_objects.filter(pk=host_id).update(journal_seq=0)
        return 0, last > 0
    events = [event for event in page.get("events") or () if int(event["seq"]) > after]
    rows = [_event_from_journal(host, event) for event in events]
    if after and first > after + 1:
        rows.insert(0, _gap_event(host, first - after - 1, rows[0].at if rows else timezone.now()))
    position = max((int(event["seq"]) for event in events), default=after)
    write(host, rows)
    Host.all_objects.filter(pk=host_id).update(journal_seq=position)
    return position, bool(events) and position < last


def write(host: Host, rows: Sequence[HostEvent]) -> None:
    """Add events to the timeline, delete the oldest beyond the limit, and notify whoever watches the host."""
    if not rows:
        return
    HostEvent.objects.bulk_create([row for row in rows if not row.action.startswith("exec_")], ignore_conflicts=True)
    _delete_oldest(host)
    row_changed(host.environment_id, host.KIND, host.pk)


def build_event(
    host: Host, at: float, kind: str, action: str, subject: str, attributes: Mapping[str, Any]
) -> HostEvent:
    """One event; `at` is unix time by the host's clock. Raises `ValueError` for a time that does not exist."""
    details = {name: _clip(attributes[name], 255) for name in _DETAIL_FIELDS if attributes.get(name)}
    return HostEvent(
        host=host,
        at=_to_datetime(at - host.skew),
        kind=_clip(kind, 32),
        action=_clip(action, 64),
        subject=_clip(subject, 128),
        name=_clip(attributes.get("name") or "", 255),
        details=details,
    )


def _clip(page: object, size: int) -> str:
    """The text as every database accepts it: PostgreSQL refuses NULs."""
    return str(strip_unstorable(str(page)))[:size]


def _to_datetime(at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError(f"{at} is not a valid time") from None


def _event_from_journal(host: Host, event: Mapping[str, Any]) -> HostEvent:
    attributes = event.get("attributes") or {}
    row = build_event(
        host, float(event["at"]), str(event["kind"]), str(event["action"]), str(event.get("id", "")), attributes
    )
    row.seq = int(event["seq"])
    return row


def _gap_event(host: Host, count: int, at: datetime) -> HostEvent:
    return HostEvent(host=host, at=at - timedelta(microseconds=1), kind="gap", action="lost", details={"count": count})


def _delete_oldest(host: Host) -> None:
    mine = HostEvent.objects.filter(host=host)
    old = timezone.now() - timedelta(days=setting_int("retention.events.days"))
    oldest = mine.order_by("-at", "-id").values_list("at", flat=True)[MAX_EVENTS : MAX_EVENTS + 1]
    mine.filter(at__lte=max([old, *oldest])).delete()
