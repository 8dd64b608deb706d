"""Gratuitous ARP: tells the other hosts' bridges at once behind which host an address now is."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable

log = logging.getLogger("corral_agent")

_PAUSES = (0.0, 0.2, 0.6)  # a frame may be lost, and a port that has just come up may drop the first
_EVERYBODY = b"\xff" * 6
_ARP = 0x0806
_REQUEST = b"\x00\x01\x08\x00\x06\x04\x00\x01"  # Ethernet, IPv4, their lengths, a request: some ignore replies


def arp_frame(address: str, mac: str) -> bytes:
    """A frame to everybody in which `mac` says that `address` is its own."""
    sender, ip = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)
    head = _EVERYBODY + sender + _ARP.to_bytes(2, "big")
    return head + _REQUEST + sender + ip + b"\x00" * 6 + ip


def send_frames(port: str, frames: Iterable[bytes]) -> None:
    """Send frames out of a device. Raises `OSError`."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind((port, 0))
        for frame in frames:
            out.send(frame)


class Announcer:
    """Announces addresses several times, without keeping anybody waiting."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def announce(self, port: str, addresses: Iterable[tuple[str, str]]) -> None:
        """Announce pairs of address and MAC address out of a port."""
        frames = [arp_frame(address, mac) for address, mac in addresses]
        if frames:
            task = asyncio.ensure_future(_repeat(port, frames))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Announce nothing more."""
        for task in self._tasks:
            task.cancel()


async def _repeat(port: str, frames: list[bytes]) -> None:
    for pause in _PAUSES:
        await asyncio.sleep(pause)
        try:
            send_frames(port, frames)
        except OSError as error:
            log.info("announcing addresses out of %s: %s", port, error.strerror)
