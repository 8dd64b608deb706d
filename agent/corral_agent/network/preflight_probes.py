"""The sockets of the check between hosts: hellos through the VXLAN port, and echoes with their time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import struct
import time
from collections.abc import Callable, Iterable

from corral_agent.network.preflight import ETHER_TYPE, CheckDocument, Hello, decode_hello, encode_hello
from corral_agent.network.reachability import ECHO_HEADER, echo_request, is_reply, open_echo_socket

_BUFFER = 65536
_READS_AT_ONCE = 256
_FRAMES_OF_A_HOST, _SPARE_FRAMES = 20, 100
_STAMP = struct.Struct("!8sQ")


class HelloSocket:
    """Sends hellos out of the VXLAN port and takes those of others, no more of them in a round than hosts may send."""

    def __init__(self, heard: Callable[[Hello, float], None]) -> None:
        self._heard = heard
        self._socket: socket.socket | None = None
        self._check: CheckDocument | None = None
        self._left = 0

    def send_round(self, check: CheckDocument, number: int) -> None:
        """One hello of each length to everybody. Raises `OSError`; the next round opens the socket again."""
        self._check, self._left = check, _FRAMES_OF_A_HOST * len(check.network.peers) + _SPARE_FRAMES
        try:
            made = self._socket or self._open(check.network.port)
            for size in check.sizes:
                hello = Hello(check.network.gateway, number, size, time.time())
                made.send(encode_hello(check, hello, made.getsockname()[4]))
        except OSError:
            self.close()
            raise

    def _open(self, port: str) -> socket.socket:
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC)
        try:
            made.settimeout(0)
            made.bind((port, ETHER_TYPE))
            asyncio.get_running_loop().add_reader(made.fileno(), self._read, made)
        except OSError:
            made.close()
            raise
        self._socket = made
        return made

    def _read(self, made: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(_READS_AT_ONCE):
                frame, sender = made.recvfrom(_BUFFER)
                self._left -= 1
                if self._left < 0 or self._check is None or sender[2] == socket.PACKET_OUTGOING:
                    continue
                hello = decode_hello(self._check, frame)
                if hello is not None:
                    self._heard(hello, time.time())

    def close(self) -> None:
        """End; a round that is sent later opens it again."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


class EchoSocket:
    """Echoes with the time at which they were sent; `answered` is called with an address and milliseconds."""

    def __init__(self, answered: Callable[[str, float], None]) -> None:
        self._answered = answered
        self._socket: socket.socket | None = None
        self._identity, self._token = secrets.randbelow(1 << 16), os.urandom(8)

    def send(self, addresses: Iterable[str]) -> None:
        """Ask each. Without the right to, nobody ever answers."""
        with contextlib.suppress(OSError):
            made = self._socket or self._open()
            for address in addresses:
                with contextlib.suppress(OSError):
                    stamp = _STAMP.pack(self._token, time.monotonic_ns())
                    made.sendto(echo_request(self._identity, stamp), (address, 0))

    def _open(self) -> socket.socket:
        made = self._socket = open_echo_socket()
        asyncio.get_running_loop().add_reader(made.fileno(), self._read, made)
        return made

    def _read(self, made: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for _ in range(_READS_AT_ONCE):
                packet, (sender, _) = made.recvfrom(_BUFFER)
                if is_reply(packet, self._identity):
                    self._take(packet[(packet[0] & 0x0F) * 4 + ECHO_HEADER :], sender)

    def _take(self, data: bytes, sender: str) -> None:
        if len(data) == _STAMP.size:
            token, sent = _STAMP.unpack(data)
            passed = time.monotonic_ns() - sent
            if token == self._token and passed >= 0:
                self._answered(sender, round(passed / 1e6, 3))

    def close(self) -> None:
        """End."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
