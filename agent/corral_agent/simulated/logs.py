"""What a simulated container said, as the engine's log stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from corral_agent.simulated.container import LogRecord, SimulatedContainer
from corral_agent.simulated.errors import bad_request
from corral_agent.simulated.serialize import to_rfc3339
from corral_agent.simulated.shell import encode_frame

_STREAMS = {"stdout": 1, "stderr": 2}


def stream_logs(container: SimulatedContainer, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The lines that were asked for, then new ones while it runs if they are to be followed. Raises `Refusal`."""
    return _stream_logs(container, query, _since(query.get("since", "")))  # a refusal comes before the answer begins


async def _stream_logs(container: SimulatedContainer, query: Mapping[str, str], after: int) -> AsyncIterator[bytes]:
    times = query.get("timestamps") in {"1", "true"}
    wanted = {number for name, number in _STREAMS.items() if query.get(name) in {"1", "true"}}
    follow = query.get("follow") in {"1", "true"}
    next_line = container.said - _tail(query.get("tail", "all"), len(container.lines))
    while True:
        activity = container.activity
        pending_count = min(container.said - next_line, len(container.lines))
        next_line = container.said
        for line in list(container.lines)[len(container.lines) - pending_count :]:
            if line[0] >= after and _STREAMS[line[1]] in wanted:
                yield _encode_line(container, line, times=times)
        if not (follow and container.running):
            return
        if container.said == next_line:
            await activity.wait()


def _encode_line(container: SimulatedContainer, line: LogRecord, *, times: bool) -> bytes:
    at, stream, text = line
    data = f"{to_rfc3339(at)} {text}" if times else text
    return f"{data}\r\n".encode() if container.tty else encode_frame(f"{data}\n".encode(), _STREAMS[stream])


def _tail(text: str, line_total: int) -> int:
    return min(int(text), line_total) if text.isdecimal() else line_total


def _since(text: str) -> int:
    whole, _, part = text.partition(".")
    if not (whole + (part or "0")).isdecimal() and text:
        raise bad_request(f"invalid value for since: {text}")
    return int(whole or 0) * 10**9 + int(part.ljust(9, "0")[:9] or 0)
