"""The name server over loopback sockets: its own names, those of others, and who asks too much."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import dnslib
import pytest

from corral_agent.names import handler as handler_module
from corral_agent.names import server as server_module
from corral_agent.names import upstream as upstream_module
from corral_agent.names.handler import NamesHandler
from corral_agent.names.server import RateLimit
from corral_agent.names.upstream import HostResolvers, servers_of
from tests.hosts.agent_tunnel import until
from tests.names.upstream_server import UpstreamServer, addresses, resolv_conf, silence
from tests.names.zones import DOCUMENT, question, said

pytestmark = pytest.mark.sockets

HOST = "127.0.0.1"
Scenario = Callable[["Names"], Awaitable[None]]


class Names:
    """A handler that serves, and the name servers behind it."""

    def __init__(self, folder: Path, upstream: list[UpstreamServer]) -> None:
        self.folder, self.upstream = folder, upstream
        self.handler: NamesHandler
        self.changes = 0

    async def open(self) -> None:
        port = 0
        for server in self.upstream:
            port = await server.open(port)
        path = resolv_conf(self.folder, *(server.host for server in self.upstream))
        self.handler = NamesHandler(HOST, 0, HostResolvers(path, port))
        self.handler.start(self._note)
        self.handler.apply(DOCUMENT)
        await until(lambda: self.handler.status()["state"] == "active")

    def _note(self) -> None:
        self.changes += 1

    async def ask(self, name: str, kind: str = "A", *, source: str = HOST) -> dnslib.DNSRecord:
        (answer,) = await self.ask_all([question(name, kind)], source=source)
        return dnslib.DNSRecord.parse(answer)

    async def ask_all(self, messages: list[bytes], *, source: str = HOST) -> list[bytes]:
        """Send all of them at once, and wait for as many answers."""
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0)
            sock.bind((source, 0))
            sock.connect((HOST, self.handler.port))
            for message in messages:
                await loop.sock_sendall(sock, message)
            async with asyncio.timeout(10):
                return [await loop.sock_recv(sock, 65_535) for _ in messages]

    async def ask_by_tcp(self, *messages: bytes) -> list[bytes]:
        reader, writer = await asyncio.open_connection(HOST, self.handler.port)
        try:
            answers = []
            for message in messages:
                writer.write(len(message).to_bytes(2) + message)
                answers.append(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))
            return answers
        finally:
            writer.close()


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    monkeypatch.setattr(upstream_module, "TIMEOUT", 0.2)
    monkeypatch.setattr(upstream_module, "_LOOK_AGAIN", 0.0)

    def run(scenario: Scenario, *upstream: UpstreamServer) -> None:
        async def main() -> None:
            names = Names(tmp_path, list(upstream))
            await names.open()
            try:
                await scenario(names)
            finally:
                await names.handler.close()
                for server in upstream:
                    server.close()

        asyncio.run(main())

    return run


def test_names_are_answered_by_udp_and_tcp(play: Callable[..., None]):
    async def scenario(names: Names) -> None:
        first = said(await names.ask("web"))
        second = said(await names.ask("web"))
        assert sorted(first) == ["10.42.4.1", "10.42.4.2", "10.42.4.3"]
        assert second == [*first[1:], first[0]]
        answers = await names.ask_by_tcp(question("front"), question("nope.rancher.internal"))
        by_tcp, unknown = map(dnslib.DNSRecord.parse, answers)
        assert sorted(said(by_tcp)) == sorted(first)
        assert unknown.header.rcode == dnslib.RCODE.NXDOMAIN
        assert names.changes == 1

    play(scenario)


def test_what_is_not_ours_is_asked_once_and_kept_for_its_time(play: Callable[..., None]):
    async def scenario(names: Names) -> None:
        (server,) = names.upstream
        messages = [b"%02d" % number + question("example.com")[2:] for number in range(20)]
        answers = await names.ask_all(messages)
        assert sorted(answer[:2] for answer in answers) == [message[:2] for message in messages]
        assert said(await names.ask("example.com")) == ["192.0.2.1"]
        assert [name for name, _id, _port in server.questions] == ["example.com"]
        for number in range(20):
            await names.ask(f"host{number}.example.com")
        ports, numbers = ({each[at] for each in server.questions} for at in (2, 1))
        assert len(ports) > 15  # a port and a number of its own for each, which nobody can guess
        assert len(numbers) > 15

    play(scenario, UpstreamServer(addresses("192.0.2.1")))


def test_an_external_service_is_answered_with_its_alias(play: Callable[..., None]):
    async def scenario(names: Names) -> None:
        answer = await names.ask("out.lab")
        alias, *found = said(answer)
        assert (alias, sorted(found)) == ("db.example.com.", ["192.0.2.8", "192.0.2.9"])
        assert [each.ttl for each in answer.rr] == [1, 5, 5]
        assert said(await names.ask("out.lab.rancher.internal")) == [alias, *reversed(found)]
        assert said(await names.ask("out.lab", "MX")) == ["db.example.com."]

    play(scenario, UpstreamServer(addresses("192.0.2.8", "192.0.2.9")))


def test_the_next_server_is_asked_when_one_is_away(play: Callable[..., None]):
    async def scenario(names: Names) -> None:
        dead, alive = names.upstream
        assert said(await names.ask("one.example.com")) == ["192.0.2.1"]
        assert said(await names.ask("two.example.com")) == ["192.0.2.1"]
        assert [name for name, *_rest in dead.questions] == ["one.example.com"]  # it is not waited for again
        assert [name for name, *_rest in alive.questions] == ["one.example.com", "two.example.com"]

    play(scenario, UpstreamServer(silence), UpstreamServer(addresses("192.0.2.1"), "127.0.0.2"))


def test_own_names_do_not_wait_for_a_dead_server_and_others_fail_at_once(play: Callable[..., None]):
    async def scenario(names: Names) -> None:
        asking = [asyncio.ensure_future(names.ask(f"{number}.example.com")) for number in range(30)]
        await asyncio.sleep(0)
        started = time.monotonic()
        assert said(await names.ask("db.lab")) == ["10.42.4.9"]
        assert time.monotonic() - started < upstream_module.TIMEOUT / 2
        for answer in await asyncio.gather(*asking):
            assert answer.header.rcode == dnslib.RCODE.SERVFAIL
        probe = asyncio.ensure_future(names.ask("probe.example.com"))
        await until(lambda: len(names.upstream[0].questions) == 31)
        refused = await names.ask("later.example.com")  # refused while another one finds out
        assert not probe.done()
        assert refused.header.rcode == dnslib.RCODE.SERVFAIL
        await probe
        names.upstream[0].answer = addresses("192.0.2.1")
        assert said(await names.ask("back.example.com")) == ["192.0.2.1"]

    play(scenario, UpstreamServer(silence))


@pytest.mark.parametrize("forged", ["id", "question", "noise", "question bit"])
def test_forged_answers_are_not_taken(play: Callable[..., None], forged: str):
    def answer(message: dnslib.DNSRecord) -> dnslib.DNSRecord | None:
        reply = addresses("203.0.113.66")(message)
        assert reply is not None
        if forged == "id":
            reply.header.id ^= 1
        elif forged == "question":
            reply.questions[0].qname = dnslib.DNSLabel("other.example.com")
        elif forged == "noise":
            reply = dnslib.DNSRecord()
        else:
            reply.header.qr = 0
        return reply

    async def scenario(names: Names) -> None:
        found = await names.ask("example.com")
        assert (found.header.rcode, said(found)) == (dnslib.RCODE.SERVFAIL, [])

    play(scenario, UpstreamServer(answer))


def test_another_list_of_servers_is_used_at_once(play: Callable[..., None]):
    async def scenario(names: Names) -> None:
        assert said(await names.ask("one.example.com")) == ["192.0.2.1"]
        path = resolv_conf(names.folder, "127.0.0.2")
        os.utime(path, ns=(1, 1))
        assert said(await names.ask("two.example.com")) == ["192.0.2.2"]

    play(scenario, UpstreamServer(addresses("192.0.2.1")), UpstreamServer(addresses("192.0.2.2"), "127.0.0.2"))


def test_long_answers_of_others_come_whole_by_tcp(play: Callable[..., None]):
    async def scenario(names: Names) -> None:
        (answer,) = await names.ask_by_tcp(question("big.example.com"))
        assert len(said(dnslib.DNSRecord.parse(answer))) == 200

    play(scenario, UpstreamServer(addresses(*(f"192.0.2.{number}" for number in range(200)))))


def test_one_that_asks_too_much_takes_nothing_from_others(play: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(server_module, "MAX_QUESTIONS_PER_SECOND", 50)
    monkeypatch.setattr(RateLimit, "begin", lambda _limit, _now: None)  # the second does not end

    async def scenario(names: Names) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0)
            sock.bind(("127.0.0.9", 0))
            for _ in range(500):
                await loop.sock_sendto(sock, question("web.lab"), (HOST, names.handler.port))
            assert said(await names.ask("db.lab")) == ["10.42.4.9"]
            answers = 0
            while True:
                try:
                    sock.recv(512)
                except BlockingIOError:
                    break
                answers += 1
        assert answers == 50
        assert names.handler.status()["counts"]["limited"] == 450

    play(scenario)


def test_connections_are_limited_for_each_client(play: Callable[..., None]):
    async def scenario(names: Names) -> None:
        limit = server_module.MAX_CONNECTIONS_PER_CLIENT
        opened = [await asyncio.open_connection(HOST, names.handler.port) for _ in range(limit + 3)]
        async with asyncio.timeout(5):
            refused = [await reader.read(1) for reader, _writer in opened[limit:]]
        assert refused == [b""] * 3
        for _reader, writer in opened:
            writer.close()

    play(scenario)


@pytest.mark.parametrize("sent", [b"\xff\xff", b"\0\2ab", b"\0\0", b"\0\x05abcde"])
def test_noise_by_tcp_ends_the_connection(play: Callable[..., None], sent: bytes):
    async def scenario(names: Names) -> None:
        reader, writer = await asyncio.open_connection(HOST, names.handler.port)
        writer.write(sent)
        async with asyncio.timeout(5):
            assert await reader.read(1) == b""
        writer.close()

    play(scenario)


def test_a_port_that_is_taken_is_said_and_tried_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(handler_module, "RETRY_DELAY", 0.01)

    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind((HOST, 0))
            handler = NamesHandler(HOST, other.getsockname()[1])
            reports: list[Any] = []
            handler.start(lambda: reports.append(handler.status()))
            handler.apply(DOCUMENT)
            await until(lambda: bool(reports))
            assert reports[0]["state"] == "error"
            assert "is taken" in reports[0]["reason"]
        await until(lambda: len(reports) == 2)
        assert (reports[1]["state"], reports[1]["reason"]) == ("active", "")
        await handler.close()

    asyncio.run(main())


def test_the_address_need_not_be_there_yet():
    async def main() -> None:
        handler = NamesHandler("192.0.2.250", 0)
        handler.apply(DOCUMENT)
        await until(lambda: handler.status()["state"] != "waiting")
        assert handler.status()["state"] == "active"
        await handler.close()

    asyncio.run(main())


def test_nothing_is_opened_before_the_first_document():
    async def main() -> None:
        handler = NamesHandler(HOST, 0)
        handler.start(lambda: None)
        await asyncio.sleep(0)
        assert handler.status()["state"] == "waiting"
        assert handler.port == 0
        await handler.close()

    asyncio.run(main())


def test_where_the_network_is_off_no_socket_is_opened():
    async def main() -> None:
        handler = NamesHandler(HOST, 0, off="It is off.")
        handler.apply(DOCUMENT)
        await asyncio.sleep(0)
        assert (handler.status()["state"], handler.status()["reason"], handler.port) == ("off", "It is off.", 0)
        await handler.close()

    asyncio.run(main())


def test_the_limit_counts_each_second_anew():
    limit = RateLimit(2)
    limit.begin(5.1)
    assert [limit.allows("a") for _ in range(3)] == [True, True, False]
    assert limit.allows("b")
    limit.begin(5.9)
    assert not limit.allows("a")
    limit.begin(6.0)
    assert limit.allows("a")


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("nameserver 192.0.2.1\nnameserver 192.0.2.2", ["192.0.2.1", "192.0.2.2"]),
        ("nameserver 169.254.169.250\nnameserver 192.0.2.1", ["192.0.2.1"]),  # never itself
        ("nameserver 2001:db8::1\nnameserver fe80::1%eth0", ["2001:db8::1", "fe80::1%eth0"]),
        ("# nameserver 192.0.2.1\nsearch a b\nnameserver\nnameserver x\n", []),
        ("nameserver 192.0.2.1\n" * 5, ["192.0.2.1"]),
        ("".join(f"nameserver 192.0.2.{n}\n" for n in range(9)), ["192.0.2.0", "192.0.2.1", "192.0.2.2"]),
    ],
)
def test_servers_of_the_host(text: str, servers: list[str]):
    assert servers_of(text) == servers
