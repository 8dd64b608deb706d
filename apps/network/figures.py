"""The figures of a host's part of the managed network: kept as its agent reports them, with what they grew by."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.core.events import row_changed
from apps.hosts.models import Host
from apps.network.models import HostNetworkFigures
from apps.network.reports import server_state

LONGEST = 300.0  # seconds between two reports; what was passed in a longer time says nothing about now


def take_traffic(host: Host, traffic: Mapping[str, int]) -> None:
    """Keep new counters. Pages that show them ask for them: an event for each report would repaint all others."""
    if not traffic:
        return
    now = timezone.now()
    with transaction.atomic():
        row = _locked(host)
        if dict(row.traffic) == dict(traffic) and not any(row.rates.values()):
            HostNetworkFigures.objects.filter(pk=host.pk).update(counted_at=now)
            return
        rates = rates_between(row.traffic, row.counted_at, traffic, now)
        if rates is not None:
            row.traffic, row.rates, row.counted_at = dict(traffic), rates, now
            row.save(update_fields=["traffic", "rates", "counted_at"])


def rates_between(
    before: Mapping[str, int], then: datetime | None, after: Mapping[str, int], now: datetime
) -> dict[str, float] | None:
    """What each counter grew by in a second, nothing where that cannot be said; None at once after the last report.

    Counters begin anew with their devices.
    """
    seconds = (now - then).total_seconds() if then is not None else 0.0
    if then is not None and before and 0 <= seconds < 1:
        return None
    is_known = bool(before) and 1 <= seconds <= LONGEST and all(after[name] >= before.get(name, 0) for name in after)
    return {name: (after[name] - before.get(name, 0)) / seconds for name in after} if is_known else {}


def take_server_state(host_id: int, name: str, status: Mapping[str, Any]) -> None:
    """Keep how the host's name or metadata server is, if that is news."""
    found = server_state(status)
    if found is None:
        return
    state = {"state": found[0], "reason": found[1]}
    known = HostNetworkFigures.objects.filter(pk=host_id).values_list("servers", flat=True).first()
    if known is not None and known.get(name) == state:  # nearly always, so before anything is locked
        return
    host = Host.all_objects.filter(pk=host_id, removed=None).first()
    if host is None:
        return
    with transaction.atomic():
        row = _locked(host)
        if row.servers.get(name) == state:
            return
        row.servers = {**row.servers, name: state}
        row.save(update_fields=["servers"])
    row_changed(host.environment_id, "host", host.pk)


def _locked(host: Host) -> HostNetworkFigures:
    HostNetworkFigures.objects.get_or_create(host=host)
    found: HostNetworkFigures = HostNetworkFigures.objects.select_for_update(no_key=True).get(pk=host.pk)
    return found
