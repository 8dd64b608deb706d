"""The frames of a container without a terminal."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from apps.drivers.base import StreamName

_HEADER = struct.Struct(">BxxxL")
_NAMES: dict[int, StreamName] = {0: "stdout", 1: "stdout", 2: "stderr"}


class FrameDecoder:
    """Cuts the engine's multiplexed stream into (stream, payload), wherever the network cut it."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[tuple[StreamName, bytes]]:
        """The frames that are whole now."""
        data = self._pending + data if self._pending else data
        at, end = 0, len(data)
        while end - at >= 8:
            kind, size = _HEADER.unpack_from(data, at)
            if at + 8 + size > end:
                break
            yield _NAMES.get(kind, "stderr"), data[at + 8 : at + 8 + size]
            at += 8 + size
        self._pending = data[at:]
