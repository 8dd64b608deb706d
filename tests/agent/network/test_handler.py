"""The loop of the network handler: what it reports, when it looks again, and that it never gives up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from corral_agent.documents import DocumentRefused
from corral_agent.network import handler as module
from corral_agent.network.commands import CommandFailed
from corral_agent.network.engine_network import EngineSilent
from corral_agent.network.filters import Guest
from corral_agent.network.handler import NetworkHandler, OffHandler
from corral_agent.network.host_network import Outcome
from corral_agent.network.wireguard import FoundPeer, FoundWireGuard
from tests.agent.network.documents import KEY_ONE, KEY_TWO, encrypted_document, plain_document

GUEST = Guest("veth1", "02:42:0a:2a:04:01", "10.42.4.1")


class Machine:
    """Stands for the machine, the engine and the other hosts."""

    def __init__(self) -> None:
        self.outcome: Outcome | Exception = Outcome(guests=frozenset({GUEST}))
        self.endpoints_found: dict[str, str] | Exception | None = {GUEST.mac: GUEST.address}
        self.created, self.conflict = 0, ""
        self.rounds: list[tuple[dict[str, str] | None, set[str]]] = []
        self.announced: list[tuple[str, list[tuple[str, str]]]] = []
        self.watched: list[str] = []
        self.public_key = KEY_ONE
        self.returned: Callable[[], None] = lambda: None

    # The machine

    def ensure(self, _document: object, endpoints: dict[str, str] | None, moved: set[str]) -> Outcome:
        self.rounds.append((endpoints, set(moved)))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def find_conflict(self, _document: object) -> str:
        return self.conflict

    # The engine

    async def endpoints(self, _document: object) -> dict[str, str] | None:
        if isinstance(self.endpoints_found, Exception):
            raise self.endpoints_found
        return self.endpoints_found

    async def create(self, _document: object) -> None:
        self.created += 1

    # The other hosts

    def announce(self, port: str, addresses: list[tuple[str, str]]) -> None:
        self.announced.append((port, list(addresses)))

    def open(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def watch(self, addresses: Any) -> None:
        self.watched = list(addresses)

    def is_reachable(self, address: str) -> bool:
        return address == "10.42.0.2"


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    machine = Machine()
    monkeypatch.setattr(module, "NetworkDevices", lambda _folder: machine)
    monkeypatch.setattr(module, "EngineNetwork", lambda _open: machine)
    monkeypatch.setattr(module, "Announcer", lambda: machine)

    def pinger(returned: Callable[[], None]) -> Machine:
        machine.returned = returned
        return machine

    monkeypatch.setattr(module, "Pinger", pinger)
    monkeypatch.setattr(module, "_SETTLE", 0.0)
    monkeypatch.setattr(module, "_SOON", 0.0)

    def run(scenario: Callable[[Machine, NetworkHandler, Rounds], Awaitable[None]]) -> None:
        async def main() -> None:
            made = NetworkHandler(tmp_path, _never)
            rounds = Rounds(made, machine)
            made.start(rounds.note_change)
            try:
                await scenario(machine, made, rounds)
            finally:
                await made.close()

        asyncio.run(main())

    return run


class Rounds:
    """Waits for what the handler does."""

    def __init__(self, handler: NetworkHandler, machine: Machine) -> None:
        self._handler, self._machine, self.changes = handler, machine, 0

    def note_change(self) -> None:
        self.changes += 1

    async def wait(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < until
            await asyncio.sleep(0.001)

    async def state(self, state: str) -> dict[str, Any]:
        await self.wait(lambda: self._handler.status()["state"] == state)
        return self._handler.status()

    async def more(self, number: int = 1) -> None:
        """Return after so many more rounds."""
        until = len(self._machine.rounds) + number
        await self.wait(lambda: len(self._machine.rounds) >= until)


async def _never() -> Any:
    raise OSError


def test_a_document_is_applied_and_reported(play: Callable[..., None]):
    async def scenario(machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        assert handler.status()["state"] == "starting"
        handler.apply(plain_document(version=7))
        assert await rounds.state("active") == {
            "version": 7,
            "state": "active",
            "reason": "",
            "publicKey": KEY_ONE,
            "peers": {"h2": {"reachable": True}, "h3": {"reachable": False}},
        }
        assert machine.rounds[0] == ({GUEST.mac: GUEST.address}, set())
        assert machine.watched == ["10.42.0.2", "10.42.0.3"]
        assert rounds.changes == 1

    play(scenario)


def test_how_tunnels_go_is_reported(play: Callable[..., None]):
    async def scenario(machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        peers = {KEY_TWO: FoundPeer("192.0.2.2:51820", "10.43.0.2/32", received=10, sent=20)}
        machine.outcome = Outcome(tunnel=FoundWireGuard(KEY_ONE, 51820, peers))
        handler.apply(encrypted_document())
        peer = (await rounds.state("active"))["peers"]["h2"]
        assert peer == {"reachable": True, "handshakeAgeSeconds": None, "received": 10, "sent": 20}

    play(scenario)


def test_a_refused_document_leaves_the_one_before(play: Callable[..., None]):
    async def scenario(_machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        handler.apply(plain_document(version=7))
        await rounds.state("active")
        with pytest.raises(DocumentRefused, match="mtu"):
            handler.apply(plain_document(version=8, mtu="long"))
        handler._wake.set()
        await rounds.more()
        assert handler.status()["version"] == 7

    play(scenario)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (CommandFailed("the program ip is missing: install the package iproute2"), "The program ip is missing: "),
        (RuntimeError("nobody has thought of this"), "Nobody has thought of this."),
    ],
)
def test_whatever_fails_is_reported_and_tried_again(play: Callable[..., None], error: Exception, reason: str):
    async def scenario(machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        machine.outcome = error
        handler.apply(plain_document())
        assert (await rounds.state("error"))["reason"].startswith(reason)
        machine.outcome = Outcome()
        handler._on_event()
        assert (await rounds.state("active"))["reason"] == ""

    play(scenario)


def test_an_absent_network_is_made_and_waited_for(play: Callable[..., None]):
    async def scenario(machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        machine.endpoints_found, machine.outcome = None, Outcome(has_bridge=False)
        handler.apply(plain_document())
        await rounds.more(2)
        assert (await rounds.state("starting"))["reason"] == "The engine has no bridge corral0 yet."
        await rounds.more(2)  # without any event
        assert machine.created >= 3
        machine.endpoints_found, machine.outcome = {}, Outcome()
        await rounds.state("active")

    play(scenario)


def test_while_the_engine_is_away_everything_stays(play: Callable[..., None]):
    async def scenario(machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        machine.endpoints_found = EngineSilent("the engine does not answer")
        handler.apply(plain_document())
        await rounds.state("active")
        assert machine.rounds[-1][0] is None
        machine.outcome = Outcome(has_bridge=False)
        handler._on_event()
        await rounds.state("starting")
        assert handler.status()["reason"] == "The engine does not answer."

    play(scenario)


def test_a_route_into_the_network_is_a_conflict(play: Callable[..., None]):
    async def scenario(machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        machine.endpoints_found, machine.conflict = None, "10.42.8.0/24 via vpn0"
        machine.outcome = Outcome(has_bridge=False, conflict="10.42.8.0/24 via vpn0")
        handler.apply(plain_document())
        status = await rounds.state("error")
        assert status["subnetConflict"] == "10.42.8.0/24 via vpn0"
        assert status["reason"] == "The host has a route into the network: 10.42.8.0/24 via vpn0."
        assert machine.created == 0  # a bridge would cut the host off from there

    play(scenario)


def test_who_arrived_is_announced_and_everybody_to_a_host_that_is_back(play: Callable[..., None]):
    async def scenario(machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        machine.outcome = Outcome(guests=frozenset({GUEST}), arrived=frozenset({GUEST}))
        handler.apply(plain_document())
        await rounds.state("active")
        assert machine.announced[0] == ("corral-vx", [(GUEST.address, GUEST.mac)])
        machine.outcome = Outcome(guests=frozenset({GUEST}))
        machine.announced.clear()
        machine.returned()
        assert machine.announced == [("corral-vx", [(GUEST.address, GUEST.mac)])]

    play(scenario)


def test_peers_that_moved_are_passed_on_until_that_has_worked(play: Callable[..., None]):
    async def scenario(machine: Machine, handler: NetworkHandler, rounds: Rounds) -> None:
        handler.apply(plain_document())
        await rounds.state("active")
        machine.outcome = CommandFailed("not now")
        moved = plain_document()["peers"]
        moved[0]["address"] = "192.0.2.99"
        handler.apply(plain_document(peers=moved))
        await rounds.state("error")
        machine.outcome = Outcome()
        handler._on_event()
        await rounds.state("active")
        assert [seen for _, seen in machine.rounds if seen] == [{"h2"}, {"h2"}]
        handler._on_event()
        await rounds.more()
        assert machine.rounds[-1][1] == set()

    play(scenario)


def test_switched_off_it_says_why():
    handler = OffHandler("Because.")
    handler.start(lambda: None)
    handler.apply(plain_document())
    with pytest.raises(DocumentRefused):
        handler.apply({})
    assert handler.status() == {"state": "off", "reason": "Because.", "publicKey": "", "peers": {}}
    asyncio.run(handler.close())
