"""What agents report of the traffic between hosts and of their servers: read without trust, kept, and shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.hosts.documents.sources import sources
from apps.hosts.models import Host
from apps.network.figures import LONGEST, rates_between
from apps.network.hosts import ensure_host_network
from apps.network.models import HostNetworkFigures
from apps.network.reports import HostReport

BEFORE = {"received": 1_000, "sent": 2_000, "dropped": 1}
AFTER = {"received": 21_000, "sent": 2_000, "dropped": 3}


def rates(before: dict[str, int], after: dict[str, int], seconds: float) -> dict[str, float] | None:
    now = timezone.now()
    return rates_between(before, now - timedelta(seconds=seconds), after, now)


def test_rates_are_what_counters_grew_by():
    assert rates(BEFORE, AFTER, 10) == {"received": 2_000, "sent": 0, "dropped": 0.2}
    assert rates_between({}, None, AFTER, timezone.now()) == {}, "the first report"
    assert rates(AFTER, BEFORE, 10) == {}, "the devices were made anew"
    assert rates(BEFORE, AFTER, LONGEST + 1) == {}, "too long ago to say anything about now"
    assert rates(BEFORE, AFTER, 0.1) is None, "two reports at once"


@pytest.mark.parametrize(
    "traffic",
    [
        None,
        [],
        {},
        {"received": 1, "sent": 2},
        {**BEFORE, "sent": "2"},
        {**BEFORE, "dropped": -1},
        {**BEFORE, "sent": True},
    ],
)
def test_counters_that_are_not_understood_are_none(traffic: Any):
    report = HostReport.parse({"state": "active", "traffic": traffic})
    assert report is not None
    assert report.traffic == {}


@pytest.fixture
def reporting(host: Host) -> Host:
    ensure_host_network(host)
    return host


def report(host: Host, **status: Any) -> None:
    sources["network"].on_status(host.pk, {"state": "active", "peers": {}, "publicKey": "", **status})


def test_a_report_is_kept_with_what_it_grew_by(reporting: Host):
    report(reporting, traffic=BEFORE)
    HostNetworkFigures.objects.update(counted_at=timezone.now() - timedelta(seconds=10))
    report(reporting, traffic=AFTER)
    row = HostNetworkFigures.objects.get(host=reporting)
    assert row.traffic == AFTER
    assert 1_000 < row.rates["received"] <= 2_000
    report(reporting)
    assert HostNetworkFigures.objects.get(host=reporting).traffic == AFTER, "an agent that reports none changes nothing"


def test_a_server_that_is_as_it_was_is_looked_up_once_and_locked_never(reporting: Host):
    status = {"state": "active", "reason": ""}
    sources["names"].on_status(reporting.pk, status)
    with CaptureQueriesContext(connection) as made:
        sources["names"].on_status(reporting.pk, status)
    assert len(made) == 1
    sources["names"].on_status(reporting.pk, {"state": "error", "reason": "no port"})
    figures = HostNetworkFigures.objects.get(pk=reporting.pk)
    assert figures.servers == {"names": {"state": "error", "reason": "no port"}}
