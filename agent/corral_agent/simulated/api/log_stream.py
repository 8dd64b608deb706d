"""What a simulated container wrote, as the engine's log stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from corral_agent.simulated.api.attached_exec import encode_frame
from corral_agent.simulated.api.messages import SimulatedRequest
from simulated_engine.container import SimulatedContainer
from simulated_engine.logs import LogCursor, LogRecord
from simulated_engine.timestamps import to_rfc3339

_STREAMS = {"stdout": 1, "stderr": 2}


def stream_logs(container: SimulatedContainer, call: SimulatedRequest) -> AsyncIterator[bytes]:
    """The lines that were asked for, then new ones while it runs if they are to be followed.

    Raises `EngineApiError` here and not in the generator, where the response would have begun.
    """
    after, before, tail = call.time("since") or 0, call.time("until"), call.query.get("tail", "all")
    cursor = LogCursor(container.log, int(tail) if tail.isdecimal() else None)
    return _stream_logs(container, call, cursor, (after, before))


async def _stream_logs(
    container: SimulatedContainer, call: SimulatedRequest, cursor: LogCursor, span: tuple[int, int | None]
) -> AsyncIterator[bytes]:
    wanted = {name for name in _STREAMS if call.flag(name)}
    times, follow, run = call.flag("timestamps"), call.flag("follow"), container.run
    after, before = span
    activity = asyncio.Event()
    unsubscribe = container.subscribe(activity.set)
    try:
        while True:
            activity.clear()
            records, is_last = cursor.take(), not follow or container.has_ended(run)
            for record in records:
                if record.at >= after and (before is None or record.at <= before) and record.stream in wanted:
                    yield _encode_record(container, record, times=times)
            if is_last:
                return
            await activity.wait()
    finally:
        unsubscribe()


def _encode_record(container: SimulatedContainer, record: LogRecord, *, times: bool) -> bytes:
    line = f"{to_rfc3339(record.at)} {record.text}" if times else record.text
    return f"{line}\r\n".encode() if container.tty else encode_frame(f"{line}\n".encode(), _STREAMS[record.stream])
