"""The name server's sockets: UDP read in batches, TCP with limits, and no source that keeps others from answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections import Counter
from typing import Any

from corral_agent.names.answering import Answering
from corral_agent.names.packet import MalformedMessage
from corral_agent.service_address import IP_FREEBIND

MAX_QUESTIONS_PER_SECOND = 2_000
"""From one address. The whole server answers some twenty thousand in a second of one processor."""
MAX_CONNECTIONS, MAX_CONNECTIONS_PER_CLIENT = 64, 8
_IDLE_SECONDS = 10.0
_BATCH = 64  # datagrams for each turn of the event loop, which has other things to do too
_MAX_QUESTION = 4_096
_RECEIVE_BUFFER = 4 << 20
_SO_RCVBUFFORCE = 33  # not in Python's socket module

Source = tuple[Any, ...]


class RateLimit:
    """At most so many in a second from each source; the counts of one second are forgotten in the next."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: Counter[str] = Counter()
        self._second = 0

    def begin(self, now: float) -> None:
        """Say what time it is, once for many questions."""
        if int(now) != self._second:
            self._second = int(now)
            self._counts.clear()

    def allows(self, source: str) -> bool:
        """Whether one more may be answered."""
        count = self._counts[source] + 1
        self._counts[source] = count
        return count <= self._limit


class NameServer:
    """Serves one address by UDP and TCP."""

    def __init__(self, answering: Answering, *, limit: int = 0) -> None:
        self._answering = answering
        self._limit = RateLimit(limit or MAX_QUESTIONS_PER_SECOND)
        self._udp: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: Counter[str] = Counter()
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self, address: str, port: int) -> int:
        """Begin to serve; the port. The address need not be there yet. Raises `OSError`, and nothing is open then."""
        udp = _bound(socket.SOCK_DGRAM, address, port)
        try:
            tcp = _bound(socket.SOCK_STREAM, address, udp.getsockname()[1])
        except OSError:
            udp.close()
            raise
        self._tcp = await asyncio.start_server(self._serve_connection, sock=tcp, backlog=MAX_CONNECTIONS)
        self._udp = udp
        asyncio.get_running_loop().add_reader(udp.fileno(), self._read_datagrams)
        return int(udp.getsockname()[1])

    async def close(self) -> None:
        """End; what is being asked elsewhere is given up."""
        if self._udp is not None:
            asyncio.get_running_loop().remove_reader(self._udp.fileno())
            self._udp.close()
            self._udp = None
        if self._tcp is not None:
            self._tcp.close()
            self._tcp = None
        for writer in self._writers:
            writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _read_datagrams(self) -> None:
        """Answer what has arrived. Linux gives the event loop no better way than one call for each datagram."""
        sock, answering, limit = self._udp, self._answering, self._limit
        if sock is None:
            return
        limit.begin(time.monotonic())
        for _ in range(_BATCH):
            try:
                message, source = sock.recvfrom(_MAX_QUESTION)
            except OSError:  # nothing left, or the error of an earlier answer whose client has gone
                return
            client = source[0]
            if not limit.allows(client):
                answering.counts["limited"] += 1
                continue
            answer = answering.quick_answer(message, client)
            if answer is None:
                answer = self._slow_answer(message, source)
            if answer is not None:
                _send(sock, answer, source)

    def _slow_answer(self, message: bytes, source: Source) -> bytes | None:
        """The answer to a new question; None for one that will be answered later, or not at all."""
        try:
            answer = self._answering.own_answer(message, source[0])
        except MalformedMessage:
            self._answering.counts["malformed"] += 1
            return None
        if answer is None:
            self._start(self._answer_later(message, source))
        return answer

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_later(self, message: bytes, source: Source) -> None:
        answer = await self._answering.answer_elsewhere(message, source[0])
        if answer is not None and self._udp is not None:
            _send(self._udp, answer, source)

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = str((writer.get_extra_info("peername") or ("",))[0])
        is_full = self._connections.total() >= MAX_CONNECTIONS
        if is_full or self._connections[client] >= MAX_CONNECTIONS_PER_CLIENT:
            writer.close()
            return
        self._connections[client] += 1
        self._writers.add(writer)
        try:
            while await self._serve_one(reader, writer, client):
                pass
        except (OSError, TimeoutError, asyncio.IncompleteReadError, MalformedMessage):
            pass
        finally:
            self._connections[client] -= 1
            self._writers.discard(writer)
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> bool:
        """One question of a connection; whether there may be another."""
        async with asyncio.timeout(_IDLE_SECONDS):
            length = int.from_bytes(await reader.readexactly(2))
            if length > _MAX_QUESTION:
                return False
            message = await reader.readexactly(length)
            self._limit.begin(time.monotonic())
            if not self._limit.allows(client):
                return False
            answer = await self._answer_by_tcp(message, client)
            if answer is None:
                return False
            writer.write(len(answer).to_bytes(2) + answer)
            await writer.drain()
        return True

    async def _answer_by_tcp(self, message: bytes, client: str) -> bytes | None:
        answer = self._answering.own_answer(message, client, by_tcp=True)
        if answer is None:
            answer = await self._answering.answer_elsewhere(message, client, by_tcp=True)
        return answer


def _bound(kind: socket.SocketKind, address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, kind)
    try:
        sock.settimeout(0)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


def _send(sock: socket.socket, answer: bytes, source: Source) -> None:
    with contextlib.suppress(OSError):  # a client that has gone, or a full queue: it will ask again
        sock.sendto(answer, source)
