"""What an engine shows of a container, as the portal keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from apps.containers.engine import observed_result
from apps.containers.models import Container
from apps.drivers.base import EngineContainer

SEEN = EngineContainer(id="c0ffee", name="web", image="bb:local", image_id="i", state="exited", labels={})


@pytest.mark.parametrize(
    ("seen", "state", "message"),
    [
        ({"state": "running"}, "running", ""),
        ({"state": "paused"}, "paused", "Paused on the host."),
        ({"state": "restarting"}, "restarting", ""),
        ({"state": "created"}, "stopped", ""),
        ({"exit_code": 0}, "stopped", ""),
        ({"exit_code": 137}, "stopped", "Ended with exit code 137."),
        ({"exit_code": 137, "oom_killed": True}, "stopped", "Killed because it ran out of memory."),
        ({"exit_code": 127, "error": "no such file"}, "stopped", "no such file"),
        ({"state": "dead"}, "stopped", ""),
        ({"state": "something new"}, "stopped", ""),
        ({"state": "running", "exit_code": 1, "error": "old"}, "running", ""),
    ],
)
def test_what_an_engine_shows_in_our_words(seen: dict[str, Any], state: str, message: str):
    found = observed_result(Container(), replace(SEEN, **seen))
    assert (found.state, found.message) == (state, message)


@pytest.mark.parametrize(
    ("reported", "health"),
    [("", ""), ("starting", "initializing"), ("healthy", "healthy"), ("unhealthy", "unhealthy"), ("?", "")],
)
def test_health_in_our_words(reported: str, health: str):
    assert observed_result(Container(), replace(SEEN, state="running", health=reported)).fields["health"] == health


def test_a_start_is_counted_once_for_each_time_it_began():
    row = Container(start_count=3)
    first = replace(SEEN, state="running", started_at="2026-01-01T00:00:00Z")
    found = observed_result(row, first)
    assert found.fields["start_count"] == 4
    row.start_count, row.status = 4, dict(found.status or {})
    assert "start_count" not in observed_result(row, first).fields
    assert observed_result(row, replace(first, started_at="2026-01-01T00:00:09Z")).fields["start_count"] == 5


def test_a_start_that_the_desired_state_asks_for_is_no_restart_and_the_next_one_is():
    row = Container(generation=1)
    observed = [replace(SEEN, state="running", started_at=f"2026-01-01T00:00:0{second}Z") for second in range(5)]

    def restarts(seen: EngineContainer, **status: int) -> int:
        found = observed_result(row, seen)
        row.start_count, row.restarts = found.fields["start_count"], found.fields.get("restarts", row.restarts)
        row.status = {**(found.status or {}), **status}
        return row.restarts

    assert restarts(observed[0], achieved=1) == 0, "its first start"
    assert restarts(observed[1]) == 1, "it ended, and was started again"
    row.generation = 3  # stopped and started again, as by a rollback
    assert restarts(observed[2]) == 1
    assert restarts(observed[3], achieved=3) == 2, "it ended before it was where it should be"
    assert restarts(observed[4]) == 3


@pytest.mark.parametrize("never", ["", "0001-01-01T00:00:00Z", "nonsense"])
def test_what_never_began_is_not_counted(never: str):
    assert "start_count" not in observed_result(Container(), replace(SEEN, state="running", started_at=never)).fields


def test_the_first_network_with_an_address_is_the_container_s():
    found = observed_result(
        Container(), replace(SEEN, networks={"none": "", "corral": "10.0.0.2", "other": "10.0.0.3"})
    )
    assert found.fields["address"] == "10.0.0.2"
    assert observed_result(Container(), SEEN).fields["address"] == ""
