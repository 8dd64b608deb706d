"""How much passes between two hosts: each sends to the other through the network, one after the other, within limits.

As containers' packets do, it goes through VXLAN and WireGuard. Who connects proves with the check's key that it is the
other host of this very check; whoever else does is turned away.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corral_agent.documents import DocumentRefused

PORT = 4790
MOST_BYTES, MOST_SECONDS = 2**31, 10
_CHUNK, _PROOF = 1 << 18, 16
_PATIENCE = 20.0
"""Seconds in which the other host has to turn up: it gets the same document within a few."""
_PAUSE, _SILENCE = 0.25, 3.0


@dataclass(frozen=True, slots=True)
class ThroughputTask:
    """What is to be measured: with the peer `host`, who of the two `sends_first`, and how much at most."""

    host: str
    sends_first: bool
    most_bytes: int
    seconds: float


def parse_task(sent: Any) -> ThroughputTask | None:
    """The task in a document's `throughput`; None where there is none. Raises `DocumentRefused`."""
    if sent is None:
        return None
    if not isinstance(sent, Mapping):
        raise DocumentRefused("throughput is no object")
    host, first = sent.get("host"), sent.get("first")
    amount, seconds = sent.get("bytes"), sent.get("seconds")
    if not isinstance(host, str) or not 0 < len(host) <= 64 or not isinstance(first, bool):
        raise DocumentRefused("throughput names no host, or does not say who is first")
    if type(amount) is not int or not 0 < amount <= MOST_BYTES:
        raise DocumentRefused(f"throughput.bytes is not between 1 and {MOST_BYTES}")
    if type(seconds) is not int or not 0 < seconds <= MOST_SECONDS:
        raise DocumentRefused(f"throughput.seconds is not between 1 and {MOST_SECONDS}")
    return ThroughputTask(host, first, amount, float(seconds))


@dataclass(frozen=True, slots=True)
class Measured:
    """What came from the other host, in bytes and seconds; `reason` says why nothing did."""

    received: int = 0
    seconds: float = 0.0
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """For the portal."""
        return {"bytes": self.received, "seconds": round(self.seconds, 4), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Ends:
    """The two hosts' bridges: this one's address and the other's, with the check's key and number."""

    own: str
    other: str
    key: bytes
    number: int
    port: int = PORT

    def proof_of(self, sender: str) -> bytes:
        """What `sender` begins with."""
        said = f"throughput {self.number} {sender}".encode()
        return hmac.digest(self.key, said, hashlib.sha256)[:_PROOF]


def measure(ends: Ends, task: ThroughputTask, patience: float = _PATIENCE) -> Measured:
    """Send, and take what the other host sends. Blocks for less than a minute; never raises."""
    try:
        with _listen(ends) as server:
            if task.sends_first:
                _send(ends, task, patience)
                return _receive(server, ends, task, patience)
            found = _receive(server, ends, task, patience)
            _send(ends, task, patience)
            return found
    except OSError as error:
        return Measured(reason=f"TCP {ends.port} between {ends.own} and {ends.other}: {error.strerror or error}")


def _listen(ends: Ends) -> socket.socket:
    """Bound to the bridge's own address: it is not to be had by any other way into the host."""
    server = socket.create_server((ends.own, ends.port), backlog=8)
    server.settimeout(_PAUSE)
    return server


def _send(ends: Ends, task: ThroughputTask, patience: float) -> None:
    """Send until the limit of time or bytes, and wait until the other host has it all.

    What does not arrive is not said here: the other host reports what it got.
    """
    with contextlib.suppress(OSError), contextlib.closing(_connect(ends, patience)) as made:
        made.sendall(ends.proof_of(ends.own))
        chunk, left = memoryview(bytes(_CHUNK)), task.most_bytes
        until = time.monotonic() + task.seconds
        while left > 0 and time.monotonic() < until:
            left -= made.send(chunk[: min(left, _CHUNK)])
        made.shutdown(socket.SHUT_WR)
        made.recv(1)  # closed by the other host when it has counted everything


def _connect(ends: Ends, patience: float) -> socket.socket:
    """A connection from the bridge's own address, as soon as the other host listens."""
    until = time.monotonic() + patience
    while True:
        try:
            made = socket.create_connection((ends.other, ends.port), timeout=_SILENCE, source_address=(ends.own, 0))
        except OSError:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)
            continue
        return made


def _receive(server: socket.socket, ends: Ends, task: ThroughputTask, patience: float) -> Measured:
    """Take what comes from the other host, and from nobody else."""
    until = time.monotonic() + patience + task.seconds
    while time.monotonic() < until:
        with contextlib.suppress(TimeoutError):
            made, (address, _port) = server.accept()
            with made:
                made.settimeout(_SILENCE)
                if address == ends.other and _is_proved(made, ends):
                    return _count(made, task)
    return Measured(reason=f"nothing came from {ends.other} on TCP {ends.port}: open it in the firewalls of both hosts")


def _is_proved(made: socket.socket, ends: Ends) -> bool:
    said = b""
    with contextlib.suppress(OSError):
        while len(said) < _PROOF and (part := made.recv(_PROOF - len(said))):
            said += part
    return hmac.compare_digest(said, ends.proof_of(ends.other))


def _count(made: socket.socket, task: ThroughputTask) -> Measured:
    """The bytes until the sender is done, or more than were agreed on came."""
    buffer, received = bytearray(_CHUNK), 0
    began = time.monotonic()
    until = began + task.seconds + _SILENCE
    while received < task.most_bytes and time.monotonic() < until:
        count = made.recv_into(buffer)
        if not count:
            break
        received += count
    return Measured(received, time.monotonic() - began)
