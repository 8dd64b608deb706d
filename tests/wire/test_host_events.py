"""`hostEvent`: a host's timeline, for everybody who sees the host."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.environments.models import Environment
from apps.hosts.models import Host, HostEvent
from tests.wire.api_client import ApiClient


@pytest.fixture
def late_event(host: Host) -> HostEvent:
    """An event that the portal learned of late."""
    return HostEvent.objects.create(
        host=host,
        seq=7,
        at=timezone.now() - timedelta(minutes=5),
        kind="container",
        action="die",
        subject="c0ffee",
        name="web",
        details={"exitCode": "137"},
    )


def test_a_hosts_link_leads_to_its_timeline(api: ApiClient, host: Host, late_event: HostEvent) -> None:
    (host_row,) = api.get("hosts")["data"]
    (event,) = api.get(host_row["links"]["hostEvents"])["data"]
    assert (event["type"], event["hostId"], event["sequence"]) == ("hostEvent", host_row["id"], 7)
    assert (event["eventKind"], event["action"], event["name"], event["late"]) == ("container", "die", "web", True)
    assert event["details"] == {"exitCode": "137"}
    assert event["learnedAt"] > event["at"]
    assert api.get(event["links"]["self"])["id"] == event["id"]


@pytest.mark.parametrize("who", ["alice", "bob", "rex", "rita"])
def test_every_member_reads_it_and_nobody_writes_it(
    who: str, api_of: Any, lab: Environment, late_event: HostEvent
) -> None:
    caller = api_of(who).inside(lab)
    (event,) = caller.get("hostevents")["data"]
    assert event["actions"] == {}
    assert caller.post("hostevents", {"action": "die"}).status == 405
    assert caller.delete(event["links"]["self"]).status == 405


def test_non_members_find_no_events(
    key_of: Callable[..., ApiClient], foreign_environment: Environment, late_event: HostEvent, api_of: Any
) -> None:
    theirs = key_of("mallory", foreign_environment)
    assert theirs.get("hostevents")["data"] == []
    assert theirs.get(f"hostevents/1he{late_event.pk}").status == 404
    assert api_of("nobody").get("hostevents").status == 401


def test_the_timeline_is_removed_with_its_host(api: ApiClient, host: Host, late_event: HostEvent) -> None:
    Host.all_objects.filter(pk=host.pk).update(removed=timezone.now())
    assert api.get("hostevents")["data"] == []
