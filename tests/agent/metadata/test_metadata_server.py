"""The metadata service on a socket: keep-alive, long polls, limits, and clients that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from corral_agent.metadata import server as own_module
from corral_agent.metadata.server import MetadataHandler
from tests.agent.metadata.environment import DOCUMENT


class Client:
    """One connection to the service."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, target: str, *fields: str, method: str = "GET") -> tuple[int, str]:
        head = "\r\n".join([f"{method} {target} HTTP/1.1", "Host: rancher-metadata", *fields, "", ""])
        self.writer.write(head.encode())
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = int(answer.lower().partition("content-length: ")[2].partition("\r\n")[0])
        body = b"" if method == "HEAD" else await self.reader.readexactly(length)
        return int(answer.split()[1]), body.decode()

    async def is_closed(self) -> bool:
        try:
            return not await self.reader.read()
        except ConnectionResetError:
            return True


Scenario = Callable[[MetadataHandler, Callable[[], Awaitable[Client]]], Awaitable[None]]


@pytest.fixture
def play() -> Callable[[Scenario], None]:
    def run(scenario: Scenario) -> None:
        async def main() -> None:
            handler, listening, clients = MetadataHandler(0, "127.0.0.1"), asyncio.Event(), list[Client]()
            handler.start(listening.set)
            await listening.wait()
            assert handler.bound_to is not None
            assert handler.status() == {"state": "active", "reason": ""}
            address, port = handler.bound_to

            async def connect() -> Client:
                clients.append(Client(*await asyncio.open_connection(address, port)))
                return clients[-1]

            try:
                async with asyncio.timeout(30):
                    await scenario(handler, connect)
            finally:
                for client in clients:
                    client.writer.close()
                await handler.close()

        asyncio.run(main())

    return run


def document(revision: str) -> dict[str, object]:
    return {**DOCUMENT, "revision": revision}


def test_one_connection_asks_several_times(play: Callable[[Scenario], None]):
    async def scenario(handler: MetadataHandler, connect: Callable[[], Awaitable[Client]]) -> None:
        client = await connect()
        assert await client.ask("/latest/version") == (404, "Not found\n")
        handler.apply(document("r1"))
        assert await client.ask("/latest/version") == (200, "r1")
        assert await client.ask("/latest/version", method="HEAD") == (200, "")
        assert await client.ask("/latest/version", "Connection: close") == (200, "r1")
        assert await client.is_closed()

    play(scenario)


def test_who_waits_is_answered_when_something_changes(play: Callable[[Scenario], None]):
    async def scenario(handler: MetadataHandler, connect: Callable[[], Awaitable[Client]]) -> None:
        handler.apply(document("r1"))
        waiting = asyncio.ensure_future((await connect()).ask("/latest/version?wait=true&value=r1"))
        assert await (await connect()).ask("/latest/version?wait=true&value=old") == (200, "r1")
        handler.apply(document("r1"))  # another document that says the same is no news
        await asyncio.sleep(0.05)
        assert not waiting.done()
        handler.apply(document("r2"))
        assert await waiting == (200, "r2")

    play(scenario)


def test_who_has_waited_long_enough_gets_what_there_is(
    play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("corral_agent.metadata.request.MAX_WAIT", 0.05)

    async def scenario(handler: MetadataHandler, connect: Callable[[], Awaitable[Client]]) -> None:
        handler.apply(document("r1"))
        client = await connect()
        assert await client.ask("/latest/version?wait=true&value=r1") == (200, "r1")
        assert await client.ask("/latest/nothing?wait=true&value=r1") == (404, "Not found\n")

    play(scenario)


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET x HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nbad\r\n\r\n"])
def test_what_is_no_request_is_refused(play: Callable[[Scenario], None], sent: bytes):
    async def scenario(_: MetadataHandler, connect: Callable[[], Awaitable[Client]]) -> None:
        client = await connect()
        client.writer.write(sent)
        assert (await client.reader.read()).startswith(b"HTTP/1.1 400 ")

    play(scenario)


def test_only_reading_is_possible(play: Callable[[Scenario], None]):
    async def scenario(_: MetadataHandler, connect: Callable[[], Awaitable[Client]]) -> None:
        client = await connect()
        assert (await client.ask("/latest/version", method="POST"))[0] == 405
        assert await client.is_closed()

    play(scenario)


def test_a_client_has_a_number_of_connections(play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_module, "MAX_CONNECTIONS", 2)

    async def scenario(handler: MetadataHandler, connect: Callable[[], Awaitable[Client]]) -> None:
        handler.apply(document("r1"))
        first, second = await connect(), await connect()
        assert (await first.ask("/latest/version"))[0] == (await second.ask("/latest/version"))[0] == 200
        assert await (await connect()).is_closed()
        first.writer.close()
        await first.writer.wait_closed()
        while True:  # the place is free as soon as the service has seen the end
            third = await connect()
            third.writer.write(b"GET /latest/version HTTP/1.0\r\n\r\n")
            try:
                if await third.reader.read():
                    break
            except ConnectionResetError:
                pass

    play(scenario)


def test_a_client_that_sends_no_request_is_let_go(play: Callable[[Scenario], None], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_module, "_HEAD_SECONDS", 0.05)

    async def scenario(_: MetadataHandler, connect: Callable[[], Awaitable[Client]]) -> None:
        client = await connect()
        client.writer.write(b"GET /latest")
        assert await client.is_closed()

    play(scenario)


def test_a_client_that_leaves_while_it_waits_is_forgotten(play: Callable[[Scenario], None]):
    async def scenario(handler: MetadataHandler, connect: Callable[[], Awaitable[Client]]) -> None:
        handler.apply(document("r1"))
        client = await connect()
        client.writer.write(b"GET /latest/version?wait=true&value=r1 HTTP/1.1\r\n\r\n")
        await (await connect()).ask("/latest/version", "Connection: close")
        client.writer.close()
        while handler.clients:  # noqa: ASYNC110 - nothing says so
            await asyncio.sleep(0.005)

    play(scenario)


def test_a_port_that_is_taken_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_module, "_RETRY_SECONDS", 0.01)

    async def main() -> None:
        first, second = MetadataHandler(0, "127.0.0.1"), asyncio.Event()
        first.start(second.set)
        await second.wait()
        assert first.bound_to is not None
        changes = asyncio.Queue[None]()
        late = MetadataHandler(first.bound_to[1], "127.0.0.1")
        late.start(lambda: changes.put_nowait(None))
        await changes.get()
        assert late.status()["state"] == "error"
        assert "Address already in use" in late.status()["reason"]
        await first.close()
        await changes.get()
        assert late.status() == {"state": "active", "reason": ""}
        await late.close()

    asyncio.run(main())
