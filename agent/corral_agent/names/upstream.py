"""Questions for others: passed on to the host's own name servers, which may be slow, wrong or away."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from corral_agent.names import packet
from corral_agent.names.packet import MalformedMessage
from corral_agent.names.reply_cache import ReplyCache
from corral_agent.service_address import SERVICE_ADDRESS

RESOLV_CONF = Path("/etc/resolv.conf")
TIMEOUT = 2.0
"""Seconds that each server has: the engine's own resolver gives up after four."""
AWAY_SECONDS = 5.0
"""How long a server that did not answer is asked last, and questions are refused at once while there is no other."""
MAX_IN_FLIGHT, MAX_PER_CLIENT = 256, 64
_MAX_SERVERS = 3
_CONF_LIMIT = 65_536
_LOOK_AGAIN = 1.0
_MAX_REPLY = 65_535

Address = tuple[str, int]


class Unanswered(Exception):
    """No server answered, or too much is being asked already."""


def servers_of(text: str) -> list[str]:
    """The name servers of a resolv.conf, without ourselves: three at most, as the C library takes."""
    found: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        with contextlib.suppress(ValueError):
            address = str(ipaddress.ip_address(words[1].partition("%")[0]))
            if address != SERVICE_ADDRESS and address not in found:
                found.append(words[1] if ":" in address else address)
    return found[:_MAX_SERVERS]


class HostResolvers:
    """The host's name servers, read again when their file changes; those that answer first."""

    def __init__(self, path: Path = RESOLV_CONF, port: int = 53) -> None:
        self._path, self._port = path, port
        self._servers: list[str] = []
        self._stamp: tuple[int, int] | None = None
        self._look_at = 0.0
        self._away_until: dict[str, float] = {}

    def in_order(self) -> list[Address]:
        """All of them, those first that have not failed lately."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + _LOOK_AGAIN
            self._read()
        ordered = sorted(self._servers, key=lambda server: self._away_until.get(server, 0.0) > now)
        return [(server, self._port) for server in ordered]

    def is_away(self, server: Address) -> bool:
        """Whether it has failed to answer lately."""
        return self._away_until.get(server[0], 0.0) > time.monotonic()

    def note(self, server: Address, *, answered: bool) -> None:
        """Keep in mind whether it answered."""
        if answered:
            self._away_until.pop(server[0], None)
        else:
            self._away_until[server[0]] = time.monotonic() + AWAY_SECONDS

    def _read(self) -> None:
        """Read the file if it is another one than before; one that is gone for a moment leaves things as they were."""
        with contextlib.suppress(OSError):
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp != self._stamp:
                with self._path.open(encoding="utf-8", errors="replace") as file:
                    self._servers = servers_of(file.read(_CONF_LIMIT))
                self._stamp = stamp
                self._away_until = {}


class Upstream:
    """Passes questions on: once for all who ask the same at the same time, and not more than some at once."""

    def __init__(self, resolvers: HostResolvers) -> None:
        self._resolvers = resolvers
        self._cache = ReplyCache()
        self._asking: dict[tuple[bytes, bool], asyncio.Task[bytes]] = {}
        self._by_client: Counter[str] = Counter()
        self._probing: set[Address] = set()

    async def ask(self, question: bytes, client: str, *, by_tcp: bool = False) -> bytes:
        """The answer to a message (both without their number). Raises `Unanswered`."""
        key = (question, by_tcp)
        known = self._cache.get(key)
        if known is not None:
            return known
        task = self._asking.get(key)
        if task is None:
            if len(self._asking) >= MAX_IN_FLIGHT or self._by_client[client] >= MAX_PER_CLIENT:
                raise Unanswered
            self._by_client[client] += 1
            task = self._asking[key] = asyncio.ensure_future(self._ask_servers(question, by_tcp=by_tcp))
            task.add_done_callback(lambda done: self._finish(key, client, done))
        return await asyncio.shield(task)

    def _finish(self, key: tuple[bytes, bool], client: str, task: asyncio.Task[bytes]) -> None:
        del self._asking[key]
        self._by_client[client] -= 1
        if self._by_client[client] <= 0:
            del self._by_client[client]
        if not task.cancelled() and task.exception() is None:
            self._cache.put(key, task.result())

    async def _ask_servers(self, question: bytes, *, by_tcp: bool) -> bytes:
        """Each server in turn. One that is away is asked by one question at a time: the others are refused at once."""
        method: Callable[[Address, bytes, bytes], Awaitable[bytes]] = _by_tcp if by_tcp else _by_udp
        failure: bytes | None = None
        for server in self._resolvers.in_order():
            is_away = self._resolvers.is_away(server)
            if is_away and server in self._probing:
                continue
            if is_away:
                self._probing.add(server)
            try:
                number = secrets.token_bytes(2)
                answer = await asyncio.wait_for(method(server, number, question), TIMEOUT)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                self._resolvers.note(server, answered=False)
                continue
            finally:
                self._probing.discard(server)
            self._resolvers.note(server, answered=True)
            if packet.code_of(answer) not in {packet.SERVFAIL, packet.REFUSED}:
                return answer[2:]
            failure = answer[2:]
        if failure is None:
            raise Unanswered
        return failure

    async def close(self) -> None:
        """End what is being asked."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _by_udp(server: Address, number: bytes, question: bytes) -> bytes:
    """One question from a port of its own, which nobody can guess; what does not answer it is not taken."""
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)
        sock.connect(server)
        await loop.sock_sendall(sock, number + question)
        asked = _question_of(question)
        while True:
            answer = await loop.sock_recv(sock, _MAX_REPLY)
            if packet.is_answer_to(answer, int.from_bytes(number), asked):
                return answer


async def _by_tcp(server: Address, number: bytes, question: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        message = number + question
        writer.write(len(message).to_bytes(2) + message)
        length = int.from_bytes(await reader.readexactly(2))
        answer = await reader.readexactly(length)
        if not packet.is_answer_to(answer, int.from_bytes(number), _question_of(question)):
            raise ConnectionError("another answer than was asked for")
        return answer
    finally:
        writer.close()


def _question_of(message: bytes) -> bytes:
    """The question in a message without its number."""
    try:
        return packet.parse_question(b"\0\0" + message).raw
    except MalformedMessage:
        raise Unanswered from None
