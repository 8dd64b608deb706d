"""The runner against servers of its own: what it finds, what it keeps, and what it stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from health_checks.check import Check
from health_checks.probe import Probe, reachable
from health_checks.runner import MAX_PER_SECOND, CheckRunner


async def serve(answer: bytes) -> tuple[asyncio.Server, int, list[bytes]]:
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What only connects sends nothing, and leaves; nor may a connection outlive the loop.
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError), contextlib.closing(writer):
            if answer:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], asked


def local(port: int, **fields: object) -> Check:
    plain = Check(id="a", run="1", address="127.0.0.1", port=port, subnet="127.0.0.0/8", interval=0.01, timeout=5.0)
    return replace(plain, **fields)  # type: ignore[arg-type]


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 60))


async def outcome(check: Check) -> str:
    found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    Probe(check, found.set_result)
    return await found


async def until_state(runner: CheckRunner, state: str, key: str = "a") -> None:
    while runner.states()[key]["state"] != state:
        await runner.wait_for_change(runner.number)


def test_one_probe_says_what_it_found():
    async def scenario() -> None:
        server, port, asked = await serve(b"HTTP/1.0 503 Busy\r\n\r\n")
        assert await outcome(local(port)) == ""
        assert await outcome(local(port, request="GET /up")) == "HTTP status 503"
        assert asked[-1].startswith(b"GET /up HTTP/1.0\r\n")
        server.close()
        await server.wait_closed()
        assert await outcome(local(port)) == "connection refused"

    play(scenario)


def test_a_server_that_says_nothing_or_no_end_of_it_costs_its_time_or_a_few_bytes():
    async def scenario() -> None:
        endless, port, _ = await serve(b"x" * 1_000_000)
        assert await outcome(local(port, request="GET /")) == "the answer is not HTTP"
        endless.close()
        with socket.socket() as mute:
            mute.bind(("127.0.0.1", 0))
            mute.listen()
            silent = local(mute.getsockname()[1], request="GET /", timeout=0.01)
            assert await outcome(silent) == "no answer within 0.01 s"

    play(scenario)


def test_many_checks_wake_the_agent_a_few_times_only(monkeypatch: pytest.MonkeyPatch):
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        plan = loop.call_at

        def note_time(at: float, *rest: Any, **named: Any) -> asyncio.TimerHandle:
            times.append(at)
            return plan(at, *rest, **named)

        monkeypatch.setattr(loop, "call_at", note_time)
        runner = CheckRunner()
        runner.apply(1, {str(number): local(1, id=str(number), interval=2.0) for number in range(500)})
        assert len(times) == 500  # within a second
        assert len(set(times)) <= 51
        runner.close()

    play(scenario)


def test_a_container_becomes_healthy_and_unhealthy_and_a_new_run_begins_anew():
    async def scenario() -> None:
        server, port, _ = await serve(b"HTTP/1.0 200 OK\r\n\r\n")
        runner = CheckRunner()
        runner.apply(1, {"a": local(port, request="GET /")})
        assert runner.states()["a"]["state"] == "initializing"
        await until_state(runner, "healthy")
        number = runner.number
        runner.apply(2, {"a": local(port, request="GET /", interval=0.02)})
        assert runner.states()["a"]["state"] == "healthy"  # another interval is no other container
        server.close()
        await until_state(runner, "unhealthy")
        assert runner.states(number)["a"] == {"state": "unhealthy", "reason": "connection refused", "run": "1"}
        runner.apply(3, {"a": local(port, run="2")})
        assert runner.states()["a"] == {"state": "initializing", "reason": "", "run": "2"}
        runner.apply(4, {"a": local(port, run="3", last="healthy")})
        assert runner.states()["a"]["state"] == "healthy"  # an agent that begins anew does not forget it
        runner.close()
        assert runner.states() == {}

    play(scenario)


def test_an_address_outside_the_networks_of_this_machine_is_not_checked():
    async def scenario() -> None:
        runner = CheckRunner()
        runner.apply(1, {"a": local(80, address="198.51.100.7", subnet="198.51.100.0/24")})
        await until_state(runner, "unchecked")
        assert "cannot be reached" in runner.states()["a"]["reason"]
        runner.close()

    play(scenario)
    assert not reachable(local(80, subnet=""))


def test_the_same_document_again_disturbs_nothing():
    async def scenario() -> None:
        started: list[str] = []
        both_started = asyncio.Event()

        class Never:
            def cancel(self) -> None:
                started.append("cancelled")

        def start(check: Check, _done: object) -> Never:
            started.append(check.id)
            both_started.set() if len(started) == 2 else None
            return Never()

        runner = CheckRunner(start, lambda _: True)
        checks = {key: local(80, id=key) for key in "ab"}
        runner.apply(1, checks)
        await both_started.wait()
        number = runner.number
        runner.apply(2, {key: replace(check, last="healthy") for key, check in checks.items()})
        assert (runner.number, sorted(started)) == (number, ["a", "b"])
        runner.apply(3, {"b": checks["b"]})
        assert started.count("cancelled") == 1

    play(scenario)


def test_the_time_to_become_healthy_ends_between_checks_that_are_far_apart():
    async def scenario() -> None:
        runner = CheckRunner(lambda _check, done: asyncio.get_running_loop().call_soon(done, "refused"), lambda _: True)
        runner.apply(1, {"a": local(80, interval=86_400.0, initializing=0.05)})
        await until_state(runner, "unhealthy")
        assert runner.states()["a"]["reason"] == "it did not become healthy within 0.05 s: refused"
        runner.close()

    play(scenario)


def test_checks_that_want_to_be_made_too_often_share_what_a_host_makes_in_a_second():
    runner = CheckRunner()
    assert sum(runner._may_begin(100.0 + tick / 5000) for tick in range(4000)) == MAX_PER_SECOND
    assert sum(runner._may_begin(101.0 + tick / 5000) for tick in range(4000)) == MAX_PER_SECOND


def test_a_process_out_of_descriptors_says_nothing_of_the_container():
    async def scenario() -> None:
        tried = asyncio.Event()

        def start(_check: Check, _done: object) -> Probe:
            tried.set()
            raise OSError(24, "Too many open files")

        runner = CheckRunner(start, lambda _: True)
        runner.apply(1, {"a": local(80, last="healthy", interval=1.0)})
        await tried.wait()
        assert runner.states()["a"]["state"] == "healthy"
        runner.close()

    play(scenario)
