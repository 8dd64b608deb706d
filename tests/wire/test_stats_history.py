"""The link `statsHistory` of hosts and containers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.core.ids import wire_id
from apps.drivers.base import StatsSample
from apps.environments.models import Environment
from apps.hosts.history import write
from apps.hosts.models import Host


def recorded(host: Host, kind: str = "host", target: int = 0) -> None:
    start = timezone.now() - timedelta(minutes=5)
    for minute in range(4):
        taken = StatsSample(
            (start + timedelta(minutes=minute)).timestamp(), minute * 10**9, 1, 5 << 20, 9 << 20, 0, 0, 0, 0
        )
        write(host.environment_id, {(kind, target or host.pk): taken})


def test_a_host_tells_its_past(key_of: Any, lab: Environment, host: Host) -> None:
    recorded(host)
    api = key_of("alice").inside(lab)
    link = api.get(f"hosts/{wire_id('h', host.pk)}")["links"]["statsHistory"]
    said = api.get(link)
    assert (said.status, said["type"], said["resourceType"], said["hours"]) == (200, "statsHistory", "host", 1)
    assert said["resourceId"] == wire_id("h", host.pk)
    assert [point["memory"] for point in said["points"]] == [5 << 20] * 3
    assert said["asOf"] == said["points"][-1]["at"]
    assert said["points"][0]["cpu"] == pytest.approx(1.67)


def test_a_container_tells_its_own(key_of: Any, lab: Environment, host: Host, stack: Any) -> None:
    api = key_of("alice").inside(lab)
    key = api.get("containers").ids[0]
    recorded(host, "container", int(key[2:]))
    said = api.get(f"containers/{key}/statshistory?hours=24")
    assert (said["resourceType"], said["resourceId"], said["hours"], len(said["points"])) == ("container", key, 24, 3)


def test_nothing_recorded_is_an_empty_past(key_of: Any, lab: Environment, host: Host) -> None:
    said = key_of("alice").inside(lab).get(f"hosts/{wire_id('h', host.pk)}/statshistory")
    assert (said["points"], said["asOf"]) == ([], None)


@pytest.mark.parametrize("hours", ["0", "x", "745", "1.5"])
def test_bad_hours_are_refused(hours: str, key_of: Any, lab: Environment, host: Host) -> None:
    said = key_of("alice").inside(lab).get(f"hosts/{wire_id('h', host.pk)}/statshistory?hours={hours}")
    assert (said.status, said["fieldName"]) == (422, "hours")


def test_readers_may_and_strangers_find_nothing(api_of: Any, lab: Environment, host: Host) -> None:
    recorded(host)
    path = f"hosts/{wire_id('h', host.pk)}/statshistory"
    assert api_of("rita").inside(lab).get(path).status == 200
    answer = api_of("mallory").inside(lab).get(path)
    assert answer.status == 404
    assert "points" not in answer.body
