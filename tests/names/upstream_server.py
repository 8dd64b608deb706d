"""Name servers of somebody else, at addresses of the loopback network, that answer as the tests want."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import dnslib

Answer = Callable[[dnslib.DNSRecord], dnslib.DNSRecord | None]


class UpstreamServer:
    """One name server by UDP and TCP; `answer` returns None for a question that gets none."""

    def __init__(self, answer: Answer, host: str = "127.0.0.1") -> None:
        self.answer, self.host = answer, host
        self.questions: list[tuple[str, int, int]] = []  # name, number, port of who asked
        self._transport: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    async def open(self, port: int = 0) -> int:
        server = self

        class Protocol(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                found = server.reply(data, addr[1])
                if found is not None and server._transport is not None:
                    server._transport.sendto(found, addr)

        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(Protocol, local_addr=(self.host, port))
        found = int(self._transport.get_extra_info("sockname")[1])
        self._tcp = await asyncio.start_server(self._serve, self.host, found)
        return found

    def reply(self, data: bytes, port: int) -> bytes | None:
        message = dnslib.DNSRecord.parse(data)
        self.questions.append((str(message.q.qname).rstrip("."), message.header.id, port))
        found = self.answer(message)
        return None if found is None else bytes(found.pack())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        found = self.reply(await reader.readexactly(length), writer.get_extra_info("peername")[1])
        if found is not None:
            writer.write(len(found).to_bytes(2) + found)
        writer.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
        if self._tcp is not None:
            self._tcp.close()


def addresses(*found: str, ttl: int = 60) -> Answer:
    """Answers every question with these."""

    def answer(message: dnslib.DNSRecord) -> dnslib.DNSRecord:
        reply = message.reply()
        for each in found:
            reply.add_answer(dnslib.RR(message.q.qname, rdata=dnslib.A(each), ttl=ttl))
        return reply

    return answer


def silence(_message: dnslib.DNSRecord) -> None:
    """Answers nothing."""


def resolv_conf(folder: Path, *servers: str) -> Path:
    path = folder / "resolv.conf"
    path.write_text("".join(f"nameserver {each}\n" for each in ("169.254.169.250", *servers)))
    return path
