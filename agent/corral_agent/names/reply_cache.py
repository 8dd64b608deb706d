"""Answers of others, for as long as they may be kept: bounded in bytes, with the time that is left in each record."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from corral_agent.names import packet

MAX_BYTES = 1 << 20
_MAX_SECONDS = 300
_NEGATIVE_SECONDS = 5
_OVERHEAD = 200  # what each entry costs besides its bytes

Key = tuple[bytes, bool]


@dataclass(frozen=True, slots=True)
class _Kept:
    reply: bytes
    since: float
    until: float
    records: tuple[tuple[int, int], ...]  # where each TTL stands, and what it was
    size: int


class ReplyCache:
    """Answers (without their number) by what was asked."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key) -> bytes | None:
        """A known answer, with what is left of its times; None when there is none, or its time is over."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        now = self._clock()
        if now >= kept.until:
            self._drop(key)
            return None
        self._kept.move_to_end(key)
        reply, age = bytearray(kept.reply), int(now - kept.since)
        for at, ttl in kept.records:
            reply[at : at + 4] = max(0, ttl - age).to_bytes(4)
        return bytes(reply)

    def put(self, key: Key, reply: bytes) -> None:
        """Keep an answer, unless it is one that says nothing for long."""
        seconds, records = _times_of(reply)
        size = len(reply) + len(key[0]) + _OVERHEAD
        if seconds <= 0 or size > MAX_BYTES // 8:
            return
        if key in self._kept:
            self._drop(key)
        now = self._clock()
        self._kept[key] = _Kept(reply, now, now + seconds, records, size)
        self._bytes += size
        while self._bytes > MAX_BYTES:
            self._drop(next(iter(self._kept)))

    @property
    def size(self) -> int:
        """How many bytes it holds, its own included."""
        return self._bytes

    def _drop(self, key: Key) -> None:
        self._bytes -= self._kept.pop(key).size


def _times_of(reply: bytes) -> tuple[int, tuple[tuple[int, int], ...]]:
    """For how many seconds an answer may be kept, and the times in it; 0 for what is not to be kept."""
    message = b"\0\0" + reply
    if len(message) < packet.HEADER:
        return 0, ()
    code = packet.code_of(message)
    if packet.is_truncated(message) or code not in {packet.NO_ERROR, packet.NXDOMAIN}:
        return 0, ()
    try:
        records = [each for each in packet.records_of(message) if each.kind != packet.OPT]
    except packet.MalformedMessage:
        return 0, ()
    is_negative = code == packet.NXDOMAIN or not any(each.kind != packet.SOA for each in records)
    least = min((each.ttl for each in records), default=0)
    limit = _NEGATIVE_SECONDS if is_negative else _MAX_SECONDS
    # The number that the message lacks here stands before everything.
    return min(least, limit), tuple((each.ttl_at - 2, each.ttl) for each in records)
