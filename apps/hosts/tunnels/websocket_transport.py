"""A WebSocket as an asyncio transport for SSH: incoming frames are its data, and writes leave as frames."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any

MAX_FRAME_SIZE = 256 * 1024
MAX_EARLY_BYTES = 64 * 1024
"""How many bytes a peer may send before a protocol is attached: its greeting is far shorter."""


class WebSocketTransport(asyncio.Transport):
    """One agent's WebSocket, as asyncio's protocols see a connection; belongs to the loop that made it.

    What is written waits here until `next_frame` takes it: the windows of SSH's channels bound how much that can be.
    """

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 0), "sockname": ("portal", 0)})
        self._protocol: asyncio.Protocol | None = None
        self._early_data = b""
        self._out: deque[bytes] = deque()
        self._more = asyncio.Event()
        self._closing = False
        self._lost = False

    def attach(self, protocol: asyncio.Protocol) -> None:
        """Attach `protocol`, which receives what arrives and what came before."""
        self._protocol = protocol
        protocol.connection_made(self)
        early_data, self._early_data = self._early_data, b""
        if early_data:
            protocol.data_received(early_data)
        if self._lost:
            protocol.connection_lost(None)

    def feed(self, data: bytes) -> None:
        """Receive a frame."""
        if self._protocol is None:
            self._early_data += data[: MAX_EARLY_BYTES - len(self._early_data)]
        elif not self._lost:
            self._protocol.data_received(data)

    async def next_frame(self) -> bytes:
        """Wait for what is to be sent next; empty when the transport is closed and everything is sent."""
        while not self._out:
            if self._closing:
                return b""
            self._more.clear()
            await self._more.wait()
        chunks, size = [], 0
        while self._out and size < MAX_FRAME_SIZE:
            chunks.append(self._out.popleft())
            size += len(chunks[-1])
        return b"".join(chunks)

    def mark_lost(self) -> None:
        """Note that the WebSocket is gone."""
        self._closing = True
        self._more.set()
        if not self._lost:
            self._lost = True
            if self._protocol is not None:
                with contextlib.suppress(Exception):  # whatever SSH makes of it, the connection is gone
                    self._protocol.connection_lost(None)

    def write(self, data: Any) -> None:
        """Queue bytes."""
        if data and not self._closing:
            self._out.append(bytes(data))
            self._more.set()

    def is_closing(self) -> bool:
        """Whether nothing more may be written."""
        return self._closing

    def close(self) -> None:
        """Send what was written, then end."""
        self._closing = True
        self._more.set()

    def abort(self) -> None:
        """End at once."""
        self._out.clear()
        self.close()

    def get_write_buffer_size(self) -> int:
        """The number of bytes that wait to be sent."""
        return sum(map(len, self._out))

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Ignored; SSH does not need it."""
        raise NotImplementedError

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Set who receives what arrives."""
        if self._protocol is None:
            raise RuntimeError("nobody is attached")
        return self._protocol
