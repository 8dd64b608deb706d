"""Points of statistics as bytes: a few numbers a minute, compressed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import accumulate, pairwise

from apps.drivers.base import StatsSample
from apps.hosts.stats.live import StatsPoint

_POINT = struct.Struct(
    "<HHIIIIII"
)  # seconds since the one before, CPU in 0.01 %, memory and limit in KiB, bytes a second
_SAMPLE = struct.Struct("<d8Q")
_MAX_UINT32 = 2**32 - 1


def encode_points(points: Iterable[StatsPoint], hour: datetime) -> bytes:
    """The points of one hour in order of time, stored column by column, which compresses best."""
    start = hour.timestamp()
    rows = [
        (
            min(3599, max(0, int(point["at"] - start))),
            min(10_000, round(point["cpu"] * 100)),
            *(min(_MAX_UINT32, int(point[name]) // 1024) for name in ("memory", "memory_limit")),
            *(min(_MAX_UINT32, int(point[name])) for name in ("net_rx", "net_tx", "disk_read", "disk_write")),
        )
        for point in sorted(points, key=lambda point: point["at"])
    ]
    size = len(rows)
    seconds, *rest = zip(*rows, strict=True) if rows else ((),)
    steps = [now - before for before, now in pairwise((0, *seconds))]
    columns = [*steps, *(number for column in rest for number in column)]
    return zlib.compress(struct.pack(f"<{2 * size}H{6 * size}I", *columns), 9) if rows else b""


def decode_points(data: bytes | memoryview, hour: datetime) -> list[StatsPoint]:
    """The inverse of `encode_points`; never raises: what cannot be decoded yields no points."""
    try:
        raw = zlib.decompress(bytes(data)) if data else b""
        size = len(raw) // _POINT.size
        columns = struct.unpack(f"<{2 * size}H{6 * size}I", raw)
    except (zlib.error, struct.error):
        return []
    start = hour.timestamp()
    columns = (*accumulate(columns[:size]), *columns[size:])
    rows = (columns[at::size] for at in range(size))
    return [
        {
            "at": start + second,
            "cpu": cpu / 100,
            "memory": memory * 1024.0,
            "memory_limit": limit * 1024.0,
            "net_rx": float(rx),
            "net_tx": float(tx),
            "disk_read": float(read),
            "disk_write": float(write),
        }
        for second, cpu, memory, limit, rx, tx, read, write in rows
    ]


def encode_sample(sample: StatsSample) -> bytes:
    """The counters that the next point is computed from."""
    counters = (sample.cpu_ns, sample.cpus, sample.memory, sample.memory_limit)
    traffic = (sample.net_rx, sample.net_tx, sample.disk_read, sample.disk_write)
    return _SAMPLE.pack(sample.at, *(max(0, number) for number in (*counters, *traffic)))


def decode_sample(data: bytes | memoryview) -> StatsSample | None:
    """The inverse of `encode_sample`; None for anything else."""
    if len(data) != _SAMPLE.size:
        return None
    at, *counters = _SAMPLE.unpack(bytes(data))
    return StatsSample(at, *counters)


def start_of_hour(at: float) -> datetime:
    """The start (UTC) of the hour that a unix time lies in."""
    return datetime.fromtimestamp(at - at % 3600, UTC)
