"""A command of a simulated container whose output goes to one connection."""

from __future__ import annotations

import asyncio
import struct

from simulated_engine.commands import CommandSession

_FRAME_HEADER = struct.Struct(">BxxxL")
_MAX_PENDING_INPUT = 64


def encode_frame(data: bytes, stream: int = 1) -> bytes:
    """One frame of a stream without a terminal; `stream` is 1 for stdout, 2 for stderr."""
    return _FRAME_HEADER.pack(stream, len(data)) + data


class AttachedExec:
    """`output` is what the connection is to send, b"" at the end.

    `input_slots` holds back who types faster than the output is read.
    """

    def __init__(self, session: CommandSession) -> None:
        self._session = session
        self.output: asyncio.Queue[bytes] = asyncio.Queue()
        self.input_slots = asyncio.Semaphore(_MAX_PENDING_INPUT)
        session.begin(self._emit)

    def _emit(self, data: bytes) -> None:
        self.output.put_nowait(encode_frame(data) if data and not self._session.tty else data)

    def write(self, data: bytes) -> None:
        """Hand input to the command."""
        self._session.write(data)

    def end_input(self) -> None:
        """There is no more input."""
        self._session.end_input()
