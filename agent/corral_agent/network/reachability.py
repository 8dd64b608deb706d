"""Whether other hosts answer through the managed network: an ICMP echo to each a second."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable

_ECHO, _ECHO_REPLY = 8, 0
_ICMP_FILTER, _SOL_RAW = 1, 255
_INTERVAL = 1.0
_SILENT_AFTER = 4.5
_BUFFER = 2048
ECHO_HEADER = 8


class Pinger:
    """Asks every second, and remembers when each address last answered; `returned` is called after a silence."""

    def __init__(self, returned: Callable[[], None]) -> None:
        self._returned = returned
        self._addresses: tuple[str, ...] = ()
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._identity = os.getpid() & 0xFFFF
        self._heard: dict[str, float] = {}

    def open(self) -> None:
        """Begin; without the right to, nobody is ever heard."""
        with contextlib.suppress(OSError):
            made = open_echo_socket()
            asyncio.get_running_loop().add_reader(made.fileno(), self._read)
            self._socket = made
            self._ping()

    def close(self) -> None:
        """End."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def watch(self, addresses: Iterable[str]) -> None:
        """Ask these addresses from now on, and no others."""
        self._addresses = tuple(addresses)
        self._heard = {address: at for address, at in self._heard.items() if address in self._addresses}

    def is_reachable(self, address: str) -> bool:
        """Whether it has answered lately."""
        heard = self._heard.get(address)
        return heard is not None and time.monotonic() - heard < _SILENT_AFTER

    def _ping(self) -> None:
        packet = echo_request(self._identity)
        for address in self._addresses:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendto(packet, (address, 0))
        self._timer = asyncio.get_running_loop().call_later(_INTERVAL, self._ping)

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while self._socket is not None:
                packet, (sender, _) = self._socket.recvfrom(_BUFFER)
                if is_reply(packet, self._identity) and sender in self._addresses:
                    was_reachable = self.is_reachable(sender)
                    self._heard[sender] = time.monotonic()
                    if not was_reachable:
                        self._returned()


def open_echo_socket() -> socket.socket:
    """A socket that sends any ICMP message, and takes the answers to echoes only. Raises `OSError`."""
    made = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)
    made.settimeout(0)
    made.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", ~(1 << _ECHO_REPLY) & 0xFFFFFFFF))
    return made


def echo_request(identity: int, data: bytes = b"") -> bytes:
    """An echo request; the answer has the same data, of an even number of bytes."""
    message = struct.pack("!BBHHH", _ECHO, 0, 0, identity, 1) + data
    total = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return message[:2] + struct.pack("!H", ~total & 0xFFFF) + message[4:]


def is_reply(packet: bytes, identity: int) -> bool:
    """Whether an IP packet answers one of our requests."""
    start = (packet[0] & 0x0F) * 4 if packet else 0
    return (
        len(packet) >= start + ECHO_HEADER > ECHO_HEADER
        and packet[start] == _ECHO_REPLY
        and packet[start + 4 : start + 6] == struct.pack("!H", identity)
    )
