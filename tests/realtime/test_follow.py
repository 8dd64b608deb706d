"""The cost of an idle tunnel: a quiet journal writes nothing, one call reads a minute of statistics."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from apps.control.reconcile import reconcile_one
from apps.core import events
from apps.drivers import registry
from apps.hosts.models import Host, HostEvent
from apps.hosts.selectors import driver_of, endpoint_of
from apps.hosts.services import token_create
from apps.hosts.tunnels import follower, journal, ssh_client
from corral_agent import tunnel as agents_side
from tests.realtime.fake_agent import FakeAgent, make_agent, wait_until
from tests.realtime.websocket_client import run_async

pytestmark = pytest.mark.django_db(transaction=True)

COUNTERS = {
    "at": 5.5, "cpu_ns": 7, "cpus": 2, "memory": 10, "memory_limit": 20, "net_rx": 1, "net_tx": 2, "disk_read": 3,
    "disk_write": 4,
}  # fmt: skip


@pytest.fixture
def agent(lab: Any, actor_of: Any) -> Any:
    token = token_create(actor=actor_of("alice"), environment=lab)
    reconcile_one("registrationToken", token.pk)
    events._publisher._drain()
    yield make_agent(token)
    for row in Host.all_objects.all():
        registry.discard_driver(endpoint_of(row))


@pytest.fixture
def stored_points(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The answers of the journal that were stored, while it is polled all the time."""
    found: list[Any] = []
    keep = journal.store_page

    def noted(host_id: int, answer: Any) -> tuple[int, bool]:
        found.append([event["seq"] for event in answer["events"]])
        return keep(host_id, answer)

    monkeypatch.setattr(journal, "store_page", noted)
    monkeypatch.setattr(follower, "CATCH_UP_EVERY", 0.03)
    monkeypatch.setattr(follower, "DEBOUNCE_SECONDS", 0.0)
    return found


def journal_event(seq: int, action: str = "start") -> dict[str, Any]:
    return {"seq": seq, "at": time.time(), "kind": "container", "action": action, "id": f"c{seq}"}


def journal_requests(agent: FakeAgent) -> list[str]:
    return [
        requests.partition("after=")[2].partition("&")[0]
        for requests in agent.answers.requests
        if "/journal" in requests
    ]


def seqs() -> list[int | None]:
    return list(HostEvent.objects.exclude(seq=None).order_by("seq").values_list("seq", flat=True))


def test_a_quiet_journal_is_asked_but_not_written(agent: FakeAgent, stored_points: list[Any]) -> None:
    agent.answers.journal = [journal_event(1)]

    async def scenario() -> None:
        line = await agent.connect()
        await wait_until(lambda: len(journal_requests(agent)) >= 6)
        assert stored_points == [[1]]
        assert journal_requests(agent)[:3] == ["0", "1", "1"]
        agent.answers.journal.append(journal_event(2, "die"))
        await wait_until(lambda: len(stored_points) == 2)
        assert stored_points[1] == [2]
        await wait_until(lambda: journal_requests(agent)[-1] == "2")
        await line.drop_connection()

    run_async(scenario)
    assert seqs() == [1, 2]
    assert Host.all_objects.get().journal_seq == 2


def test_a_journal_that_restarted_is_noticed_and_read_from_its_start(
    agent: FakeAgent, stored_points: list[Any]
) -> None:
    agent.answers.journal = [journal_event(1), journal_event(2)]

    async def scenario() -> None:
        line = await agent.connect()
        await wait_until(lambda: journal_requests(agent)[-1:] == ["2"])
        agent.answers.journal = [journal_event(1, "create")]
        await wait_until(lambda: journal_requests(agent)[-1] == "1")
        await line.drop_connection()

    run_async(scenario)
    assert stored_points == [[1, 2], [], [1]]
    assert Host.all_objects.get().journal_seq == 1
    assert seqs() == [1]


def test_a_page_that_cannot_be_read_is_asked_for_again(agent: FakeAgent, stored_points: list[Any]) -> None:
    agent.answers.journal = [{"seq": 1}]

    async def scenario() -> None:
        line = await agent.connect()
        await wait_until(lambda: len(stored_points) >= 3)
        assert set(journal_requests(agent)) == {"0"}
        agent.answers.journal = [journal_event(1)]
        await wait_until(lambda: journal_requests(agent)[-1:] == ["1"])
        await line.drop_connection()

    run_async(scenario)
    assert seqs() == [1]


@pytest.mark.parametrize(("page", "is_end"), [
    ({"events": [], "first": 1, "last": 7}, True),
    ({"first": 1, "last": 7}, True),
    ({"events": [], "first": 1, "last": 8}, False),  # more than it shows
    ({"events": [], "first": 1, "last": 3}, False),  # another journal
    ({"events": [journal_event(8)], "first": 1, "last": 8}, False),
    ({"events": [journal_event(7)], "first": 1, "last": 7}, False),
    ({}, False),
])  # fmt: skip
def test_the_end_of_a_journal(page: dict[str, Any], is_end: bool) -> None:
    assert journal.is_at_end(page, 7) is is_end


def test_an_empty_journal_is_at_its_end() -> None:
    assert journal.is_at_end({"events": [], "first": 0, "last": 0}, 0)


@pytest.mark.parametrize("is_old", [False, True])
def test_statistics_of_machine_and_containers_come_in_one_call(agent: FakeAgent, is_old: bool) -> None:
    stats_answer = {"abc": {**COUNTERS, "pids": 3}}
    agent.answers.stats = stats_answer if is_old else {**stats_answer, "machine": {**COUNTERS, "memory": 15}}
    agent.answers.stream = {**COUNTERS, "memory": 16}

    async def scenario() -> None:
        line = await agent.connect()
        await wait_until(lambda: any("/events" in requests for requests in agent.answers.requests))
        # As if the loop had asked the engine for its id: before, nothing is requested of it.
        await asyncio.to_thread(Host.all_objects.update, engine_id="an engine")
        found = await asyncio.to_thread(lambda: driver_of(Host.all_objects.get()).measure())
        assert set(found.containers) == {"abc"}
        assert found.machine is not None
        assert found.machine.memory == (16 if is_old else 15)
        await line.drop_connection()

    run_async(scenario)
    requests = [line for line in agent.answers.requests if line.endswith(("stats", "stats?machine=1"))]
    assert requests == ["GET /corral/v1/containers/stats?machine=1", *(["GET /corral/v1/stats"] if is_old else [])]


def test_on_a_healthy_line_only_the_agent_asks_and_a_loss_is_noticed_in_time() -> None:
    assert ssh_client.KEEPALIVE_SECONDS > agents_side._KEEPALIVE
    assert ssh_client.KEEPALIVE_SECONDS * (ssh_client.MAX_MISSED_KEEPALIVES + 1) <= 15
