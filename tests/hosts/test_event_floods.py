"""A host that sends more events than one host may is looked at as a whole; the others go on."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from apps.core import read_budgets
from apps.core.read_budgets import EVENT_BURST, EVENTS_PER_SECOND, EventAllowance
from apps.drivers.base import EngineEvent
from apps.hosts import watch
from apps.hosts.models import Host, HostEvent
from apps.hosts.tunnels import follower
from apps.hosts.tunnels.agent_http import AgentResponse
from apps.hosts.workloads import workloads


class Flood:
    """A stream of events without end that counts how many were taken."""

    def __init__(self) -> None:
        self.taken, self.closed = 0, False

    def __iter__(self) -> Iterator[EngineEvent]:
        while not self.closed:
            self.taken += 1
            yield EngineEvent(1.0, "container", "start", "c1")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(read_budgets, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def passed_on(monkeypatch: pytest.MonkeyPatch) -> list[EngineEvent]:
    seen: list[EngineEvent] = []
    monkeypatch.setattr(type(workloads), "on_engine_event", lambda _self, _host, event: seen.append(event))
    return seen


def test_the_allowance_is_a_burst_and_a_rate(clock: list[float]) -> None:
    allowance = EventAllowance()
    assert sum(allowance.take() for _ in range(EVENT_BURST * 2)) == EVENT_BURST
    clock[0] += 1
    assert sum(allowance.take() for _ in range(EVENT_BURST)) == EVENTS_PER_SECOND
    clock[0] += 3600
    assert sum(allowance.take() for _ in range(EVENT_BURST * 2)) == EVENT_BURST


def test_an_engine_s_flood_is_closed_and_noted(host: Host, clock: list[float], passed_on: list[EngineEvent]) -> None:
    watcher, flood = watch._Watcher(host), Flood()
    assert watcher._follow(flood) is False
    assert flood.closed
    assert flood.taken == EVENT_BURST + 1
    assert len(passed_on) == EVENT_BURST
    watcher.timeline.write()
    assert HostEvent.objects.filter(host=host, kind="gap").exists()


def test_a_stream_within_its_rate_is_followed_to_its_end(
    host: Host, clock: list[float], passed_on: list[EngineEvent]
) -> None:
    flood = Flood()
    watcher = watch._Watcher(host)
    assert watcher._follow(itertools.islice(flood, EVENT_BURST)) is True  # type: ignore[arg-type]
    assert len(passed_on) == EVENT_BURST


def test_an_agent_s_flood_ends_the_stream_too(
    host: Host, clock: list[float], passed_on: list[EngineEvent], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = json.dumps({"Type": "container", "Action": "start", "Actor": {"ID": "c1"}, "time": 1}).encode() + b"\n"

    class Endless:
        read_count = 0

        async def read(self, _size: int) -> bytes:
            self.read_count += 1
            return line * 100

    async def run_here(call: Any, *args: Any) -> Any:
        return call(*args)

    async def no_pause(_seconds: float) -> None:
        return

    monkeypatch.setattr(follower, "run_in_thread", run_here)
    monkeypatch.setattr(asyncio, "sleep", no_pause)
    reader = Endless()

    async def follow() -> None:
        found = follower.HostFollower(host.pk, None)  # type: ignore[arg-type]
        await found._pass_on_events(AgentResponse(reader, None, b""), EventAllowance())

    asyncio.run(follow())
    assert len(passed_on) == EVENT_BURST
    assert reader.read_count <= EVENT_BURST // 100 + 1


@pytest.mark.parametrize("found", [{"Actor": 5}, {"timeNano": 1e999}, {"Actor": {"Attributes": [1]}}, {"time": "x"}])
def test_what_is_no_event_costs_itself_only(host: Host, passed_on: list[EngineEvent], found: dict[str, Any]) -> None:
    follower._pass_on_event(host.pk, found)
    assert passed_on == []
