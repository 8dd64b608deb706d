"""Taking part in checks: one at a time, the newest, reported while it goes on and forgotten afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from corral_agent.network import preflight_handler
from corral_agent.network.commands import CommandFailed
from corral_agent.network.preflight import CheckDocument, Hello
from corral_agent.network.preflight_handler import OffPreflightHandler, PreflightHandler
from corral_agent.network.preflight_throughput import Ends, Measured, ThroughputTask
from tests.agent.network.documents import KEY_TWO, encrypted_document, plain_document

LIMIT = 60.0  # seconds; each wait ends as soon as what it waits for is there


class Wire:
    """What the check sends, and a way to have something arrive."""

    def __init__(self) -> None:
        self.hello: Callable[[Hello, float], None] = lambda _hello, _now: None
        self.echo: Callable[[str, float], None] = lambda _address, _milliseconds: None
        self.rounds: list[int] = []
        self.asked: set[str] = set()
        self.closed = 0
        self.failure: OSError | None = None


class FakeHellos:
    def __init__(self, wire: Wire, heard: Callable[[Hello, float], None]) -> None:
        self.wire, wire.hello = wire, heard

    def send_round(self, check: CheckDocument, number: int) -> None:
        del check
        self.wire.rounds.append(number)
        if self.wire.failure is not None:
            raise self.wire.failure

    def close(self) -> None:
        self.wire.closed += 1


class FakeEchoes:
    def __init__(self, wire: Wire, answered: Callable[[str, float], None]) -> None:
        self.wire, wire.echo = wire, answered

    def send(self, addresses: Iterable[str]) -> None:
        self.wire.asked |= set(addresses)

    def close(self) -> None:
        self.wire.closed += 1


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """The network of the host, in the test's hands; rounds follow each other at once."""
    found = Wire()
    received = iter((100, 100, *[250] * 10_000))

    async def names() -> dict[str, Any]:
        return {"own": True, "upstream": {"192.0.2.53": False}}

    monkeypatch.setattr(preflight_handler, "HelloSocket", lambda heard: FakeHellos(found, heard))
    monkeypatch.setattr(preflight_handler, "EchoSocket", lambda answered: FakeEchoes(found, answered))
    monkeypatch.setattr(preflight_handler, "check_names", names)
    monkeypatch.setattr(preflight_handler, "read_overlapping_routes", lambda _network: ["10.42.7.0/24 via docker0"])
    monkeypatch.setattr(preflight_handler, "read_received", lambda _network: {KEY_TWO: next(received)})
    monkeypatch.setattr(preflight_handler, "_ROUND", 0.001)
    monkeypatch.setattr(preflight_handler, "_HOSTS_A_SECOND", 1_000_000)
    monkeypatch.setattr(preflight_handler, "_LOOK_AGAIN", 0.001)
    return found


def document(check: int = 7, **changes: Any) -> dict[str, Any]:
    return {**plain_document(), "check": check, "key": "6b" * 32, **changes}


async def until(handler: PreflightHandler, condition: Callable[[Mapping[str, Any]], object]) -> Mapping[str, Any]:
    async with asyncio.timeout(LIMIT):
        while not condition(handler.status()):  # noqa: ASYNC110 - a handler reports by a plain callback
            await asyncio.sleep(0.001)
    return handler.status()


def play(scene: Callable[[PreflightHandler, list[int]], Any]) -> Any:
    """Run a scene with a handler that reports, and close it."""

    async def run() -> Any:
        handler, reports = PreflightHandler(), list[int]()
        handler.start(lambda: reports.append(1))
        try:
            return await scene(handler, reports)
        finally:
            await handler.close()

    return asyncio.run(run())


def test_what_is_heard_and_found_is_reported(wire: Wire):
    async def scene(handler: PreflightHandler, reports: list[int]) -> None:
        handler.apply(document())
        await until(handler, lambda _status: len(wire.rounds) > 2)
        wire.hello(Hello("10.42.0.2", 0, 128, 5.0), 5.5)
        wire.echo("10.42.0.2", 2.5)
        wire.echo("10.42.0.2", 1.5)
        wire.echo("192.0.2.3", 0.7)
        wire.echo("10.9.9.9", 0.1)
        found = await until(handler, lambda each: each["peers"]["h3"]["direct"] and each["names"] and each["routes"])
        assert found["peers"]["h2"]["sizes"] == {"128": 1}
        assert (found["peers"]["h2"]["roundTrip"], found["peers"]["h2"]["clock"]) == (1.5, 0.5)
        assert found["peers"]["h3"]["direct"] == 0.7
        assert found["routes"] == ["10.42.7.0/24 via docker0"]
        assert found["names"] == {"own": True, "upstream": {"192.0.2.53": False}}
        assert (found["check"], found["state"], found["reason"]) == (7, "running", "")
        assert reports

    play(scene)
    assert wire.asked == {"10.42.0.2", "10.42.0.3", "192.0.2.2", "192.0.2.3"}
    assert wire.rounds[:3] == [0, 1, 2]
    assert wire.closed == 2


def test_it_is_seen_whose_packets_wireguard_received(wire: Wire):
    async def scene(handler: PreflightHandler, _reports: list[int]) -> None:
        handler.apply({**encrypted_document(), "check": 7, "key": "6b" * 32})
        found = await until(handler, lambda each: each.get("peers", {}).get("h2", {}).get("carried"))
        assert found["peers"]["h3"]["carried"] is None  # its key is not known

    play(scene)


def test_what_cannot_be_sent_is_said_and_tried_again(wire: Wire):
    wire.failure = OSError(100, "Network is down")

    async def scene(handler: PreflightHandler, _reports: list[int]) -> None:
        handler.apply(document())
        found = await until(handler, lambda each: each.get("reason"))
        assert found["reason"] == "Nothing can be sent through corral-vx: Network is down."
        wire.failure = None
        await until(handler, lambda each: not each["reason"])

    play(scene)


def test_routes_that_cannot_be_read_do_not_keep_names_from_being_checked(wire: Wire, monkeypatch: pytest.MonkeyPatch):
    def fail(_network: Any) -> list[str]:
        raise CommandFailed("ip: not found")

    monkeypatch.setattr(preflight_handler, "read_overlapping_routes", fail)

    async def scene(handler: PreflightHandler, _reports: list[int]) -> None:
        handler.apply(document())
        found = await until(handler, lambda each: each.get("names"))
        assert found["routes"] == []

    play(scene)
    assert wire.rounds


def test_it_ends_by_itself_and_by_the_next_document(wire: Wire, monkeypatch: pytest.MonkeyPatch):
    async def scene(handler: PreflightHandler, _reports: list[int]) -> None:
        handler.apply(document(7))
        await until(handler, lambda each: each["check"] == 7)
        monkeypatch.setattr(preflight_handler, "_LONGEST", 0.0)
        await until(handler, lambda each: each["state"] == "ended")
        monkeypatch.setattr(preflight_handler, "_LONGEST", 120.0)
        handler.apply(document(8))
        await until(handler, lambda each: each["check"] == 8)
        handler.apply({"check": 0})
        assert handler.status() == {"state": "idle", "check": 0}
        await asyncio.sleep(0.01)
        assert handler.status() == {"state": "idle", "check": 0}  # nothing of the old one is reported any more

    play(scene)
    assert wire.closed == 4


def test_the_same_check_goes_on_with_other_hosts(wire: Wire):
    async def scene(handler: PreflightHandler, _reports: list[int]) -> None:
        handler.apply(document(7, peers=plain_document()["peers"][:1]))
        await until(handler, lambda each: set(each.get("peers", {})) == {"h2"})
        count = len(wire.rounds)
        handler.apply(document(7))
        await until(handler, lambda each: set(each["peers"]) == {"h2", "h3"})
        assert wire.rounds[count:][:1] != [0]

    play(scene)


def test_what_is_to_be_measured_is_measured_once_and_reported(wire: Wire, monkeypatch: pytest.MonkeyPatch):
    calls: list[tuple[Ends, ThroughputTask]] = []

    def measured(ends: Ends, task: ThroughputTask) -> Measured:
        calls.append((ends, task))
        return Measured(1000, 0.5)

    monkeypatch.setattr(preflight_handler, "measure", measured)
    task = {"host": "h3", "first": False, "bytes": 1000, "seconds": 5}

    async def scene(handler: PreflightHandler, _reports: list[int]) -> None:
        handler.apply(document(throughput=task))
        found = await until(handler, lambda each: each.get("throughput"))
        assert found["throughput"] == {"host": "h3", "bytes": 1000, "seconds": 0.5, "reason": ""}
        await until(handler, lambda _status: len(wire.rounds) > 5)

    play(scene)
    ((ends, sent),) = calls
    assert (ends.own, ends.other, ends.number, sent.sends_first) == ("10.42.0.1", "10.42.0.3", 7, False)


def test_a_host_that_is_not_there_cannot_be_measured(wire: Wire):
    task = {"host": "h9", "first": True, "bytes": 1000, "seconds": 5}

    async def scene(handler: PreflightHandler, _reports: list[int]) -> None:
        handler.apply(document(throughput=task))
        found = await until(handler, lambda each: each.get("throughput"))
        assert found["throughput"]["reason"] == "the other host is no part of the network"

    play(scene)
    assert wire.rounds


def test_a_host_without_a_part_in_the_network_says_why():
    handler = OffPreflightHandler("read-only")
    handler.apply(document())
    assert handler.status() == {"state": "off", "check": 0, "reason": "read-only"}
