"""The link `statsHistory` of hosts and containers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.core.ids import wire_id
from apps.drivers.base import StatsSample
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.stats.history import store_samples


def record_samples(host: Host, kind: str = "host", target: int = 0) -> None:
    start = timezone.now() - timedelta(minutes=5)
    for minute in range(4):
        taken = StatsSample(
            (start + timedelta(minutes=minute)).timestamp(), minute * 10**9, 1, 5 << 20, 9 << 20, 0, 0, 0, 0
        )
        store_samples(host.environment_id, {(kind, target or host.pk): taken})


def test_a_host_returns_its_history(key_of: Any, lab: Environment, host: Host) -> None:
    record_samples(host)
    api = key_of("alice").inside(lab)
    link = api.get(f"hosts/{wire_id('h', host.pk)}")["links"]["statsHistory"]
    answer_body = api.get(link)
    assert (answer_body.status, answer_body["type"], answer_body["resourceType"], answer_body["hours"]) == (
        200,
        "statsHistory",
        "host",
        1,
    )
    assert answer_body["resourceId"] == wire_id("h", host.pk)
    assert [point["memory"] for point in answer_body["points"]] == [5 << 20] * 3
    assert answer_body["asOf"] == answer_body["points"][-1]["at"]
    assert answer_body["points"][0]["cpu"] == pytest.approx(1.67)


def test_a_container_returns_its_own_history(key_of: Any, lab: Environment, host: Host, stack: Any) -> None:
    api = key_of("alice").inside(lab)
    key = api.get("containers").ids[0]
    record_samples(host, "container", int(key[2:]))
    answer_body = api.get(f"containers/{key}/statshistory?hours=24")
    assert (
        answer_body["resourceType"],
        answer_body["resourceId"],
        answer_body["hours"],
        len(answer_body["points"]),
    ) == ("container", key, 24, 3)


def test_a_host_without_samples_has_an_empty_history(key_of: Any, lab: Environment, host: Host) -> None:
    answer_body = key_of("alice").inside(lab).get(f"hosts/{wire_id('h', host.pk)}/statshistory")
    assert (answer_body["points"], answer_body["asOf"]) == ([], None)


@pytest.mark.parametrize("hours", ["0", "x", "745", "1.5"])
def test_bad_hours_are_refused(hours: str, key_of: Any, lab: Environment, host: Host) -> None:
    answer_body = key_of("alice").inside(lab).get(f"hosts/{wire_id('h', host.pk)}/statshistory?hours={hours}")
    assert (answer_body.status, answer_body["fieldName"]) == (422, "hours")


def test_readers_see_the_history_and_non_members_find_nothing(api_of: Any, lab: Environment, host: Host) -> None:
    record_samples(host)
    path = f"hosts/{wire_id('h', host.pk)}/statshistory"
    assert api_of("rita").inside(lab).get(path).status == 200
    answer = api_of("mallory").inside(lab).get(path)
    assert answer.status == 404
    assert "points" not in answer.body
