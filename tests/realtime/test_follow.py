"""What a settled tunnel costs: a quiet journal leaves the database alone, one call takes a minute's statistics."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from apps.control.reconcile import look
from apps.core import events
from apps.drivers import registry
from apps.hosts.models import Host, HostEvent
from apps.hosts.selectors import driver_of, endpoint_of
from apps.hosts.services import token_create
from apps.hosts.tunnels import follow, journal, ssh
from corral_agent import tunnel as agents_side
from tests.realtime.agents import FakeAgent, make_agent, until
from tests.realtime.wire import run

pytestmark = pytest.mark.django_db(transaction=True)

COUNTERS = {
    "at": 5.5, "cpu_ns": 7, "cpus": 2, "memory": 10, "memory_limit": 20, "net_rx": 1, "net_tx": 2, "disk_read": 3,
    "disk_write": 4,
}  # fmt: skip


@pytest.fixture
def agent(lab: Any, actor_of: Any) -> Any:
    token = token_create(actor=actor_of("alice"), environment=lab)
    look("registrationToken", token.pk)
    events._publisher._take()
    yield make_agent(token)
    for row in Host.all_objects.all():
        registry.forget(endpoint_of(row))


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The answers of the journal that were written down, while it is asked for all the time."""
    found: list[Any] = []
    keep = journal.keep

    def noted(host_id: int, answer: Any) -> tuple[int, bool]:
        found.append([event["seq"] for event in answer["events"]])
        return keep(host_id, answer)

    monkeypatch.setattr(journal, "keep", noted)
    monkeypatch.setattr(follow, "CATCH_UP_EVERY", 0.03)
    monkeypatch.setattr(follow, "SETTLE", 0.0)
    return found


def happened(seq: int, action: str = "start") -> dict[str, Any]:
    return {"seq": seq, "at": time.time(), "kind": "container", "action": action, "id": f"c{seq}"}


def journal_asked(agent: FakeAgent) -> list[str]:
    return [asked.partition("after=")[2].partition("&")[0] for asked in agent.says.asked if "/journal" in asked]


def seqs() -> list[int | None]:
    return list(HostEvent.objects.exclude(seq=None).order_by("seq").values_list("seq", flat=True))


def test_a_quiet_journal_is_asked_but_not_written(agent: FakeAgent, kept: list[Any]) -> None:
    agent.says.journal = [happened(1)]

    async def story() -> None:
        line = await agent.connect()
        await until(lambda: len(journal_asked(agent)) >= 6)
        assert kept == [[1]]
        assert journal_asked(agent)[:3] == ["0", "1", "1"]
        agent.says.journal.append(happened(2, "die"))
        await until(lambda: len(kept) == 2)
        assert kept[1] == [2]
        await until(lambda: journal_asked(agent)[-1] == "2")
        await line.cut()

    run(story)
    assert seqs() == [1, 2]
    assert Host.all_objects.get().journal_seq == 2


def test_a_journal_that_began_anew_is_noticed_and_read_from_its_start(agent: FakeAgent, kept: list[Any]) -> None:
    agent.says.journal = [happened(1), happened(2)]

    async def story() -> None:
        line = await agent.connect()
        await until(lambda: journal_asked(agent)[-1:] == ["2"])
        agent.says.journal = [happened(1, "create")]
        await until(lambda: journal_asked(agent)[-1] == "1")
        await line.cut()

    run(story)
    assert kept == [[1, 2], [], [1]]
    assert Host.all_objects.get().journal_seq == 1
    assert seqs() == [1]


def test_a_page_that_cannot_be_read_is_asked_for_again(agent: FakeAgent, kept: list[Any]) -> None:
    agent.says.journal = [{"seq": 1}]

    async def story() -> None:
        line = await agent.connect()
        await until(lambda: len(kept) >= 3)
        assert set(journal_asked(agent)) == {"0"}
        agent.says.journal = [happened(1)]
        await until(lambda: journal_asked(agent)[-1:] == ["1"])
        await line.cut()

    run(story)
    assert seqs() == [1]


@pytest.mark.parametrize(("said", "is_end"), [
    ({"events": [], "first": 1, "last": 7}, True),
    ({"first": 1, "last": 7}, True),
    ({"events": [], "first": 1, "last": 8}, False),  # more than it shows
    ({"events": [], "first": 1, "last": 3}, False),  # another journal
    ({"events": [happened(8)], "first": 1, "last": 8}, False),
    ({"events": [happened(7)], "first": 1, "last": 7}, False),
    ({}, False),
])  # fmt: skip
def test_the_end_of_a_journal(said: dict[str, Any], is_end: bool) -> None:
    assert journal.is_at_end(said, 7) is is_end


def test_an_empty_journal_is_at_its_end() -> None:
    assert journal.is_at_end({"events": [], "first": 0, "last": 0}, 0)


@pytest.mark.parametrize("is_old", [False, True])
def test_statistics_of_machine_and_containers_come_in_one_call(agent: FakeAgent, is_old: bool) -> None:
    told = {"abc": {**COUNTERS, "pids": 3}}
    agent.says.stats = told if is_old else {**told, "machine": {**COUNTERS, "memory": 15}}
    agent.says.stream = {**COUNTERS, "memory": 16}

    async def story() -> None:
        line = await agent.connect()
        await until(lambda: any("/events" in asked for asked in agent.says.asked))
        found = await asyncio.to_thread(lambda: driver_of(Host.all_objects.get()).measure())
        assert set(found.containers) == {"abc"}
        assert found.machine is not None
        assert found.machine.memory == (16 if is_old else 15)
        await line.cut()

    run(story)
    asked = [line for line in agent.says.asked if line.endswith(("stats", "stats?machine=1"))]
    assert asked == ["GET /corral/v1/containers/stats?machine=1", *(["GET /corral/v1/stats"] if is_old else [])]


def test_on_a_healthy_line_only_the_agent_asks_and_a_loss_is_noticed_in_time() -> None:
    assert ssh.KEEPALIVE > agents_side._ALIVE
    assert ssh.KEEPALIVE * (ssh.MISSES + 1) <= 15
