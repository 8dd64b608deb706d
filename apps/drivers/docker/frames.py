"""The frames of a container without a terminal."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from apps.core import read_budgets
from apps.core.read_budgets import OverBudget, format_size
from apps.drivers.base import StreamName

_HEADER = struct.Struct(">BxxxL")
_NAMES: dict[int, StreamName] = {0: "stdout", 1: "stdout", 2: "stderr"}


class FrameDecoder:
    """Cuts the engine's multiplexed stream into (stream, payload), wherever the network cut it."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[tuple[StreamName, bytes]]:
        """The frames that are whole now. Raises `OverBudget` for one that would have to be held for too long."""
        data = self._pending + data if self._pending else data
        at, end = 0, len(data)
        while end - at >= 8:
            kind, size = _HEADER.unpack_from(data, at)
            if size > read_budgets.MAX_FRAME_BYTES:
                raise OverBudget(
                    f"sent a frame of {size:,} bytes, more than {format_size(read_budgets.MAX_FRAME_BYTES)}."
                )
            if at + 8 + size > end:
                break
            yield _NAMES.get(kind, "stderr"), data[at + 8 : at + 8 + size]
            at += 8 + size
        self._pending = data[at:]
