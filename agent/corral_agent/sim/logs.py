"""What a simulated container said, as the engine's log stream."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from corral_agent.sim.box import Box, Line
from corral_agent.sim.refusals import bad
from corral_agent.sim.shell import frame
from corral_agent.sim.shown import stamp

_STREAMS = {"stdout": 1, "stderr": 2}


def said(box: Box, query: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The lines that were asked for, then new ones while it runs if they are to be followed. Raises `Refusal`."""
    return _said(box, query, _since(query.get("since", "")))  # a refusal comes before the answer begins


async def _said(box: Box, query: Mapping[str, str], after: int) -> AsyncIterator[bytes]:
    times = query.get("timestamps") in {"1", "true"}
    wanted = {number for name, number in _STREAMS.items() if query.get(name) in {"1", "true"}}
    follow = query.get("follow") in {"1", "true"}
    next_one = box.said - _tail(query.get("tail", "all"), len(box.lines))
    while True:
        news = box.news
        missed = min(box.said - next_one, len(box.lines))
        next_one = box.said
        for line in list(box.lines)[len(box.lines) - missed :]:
            if line[0] >= after and _STREAMS[line[1]] in wanted:
                yield _bytes(box, line, times=times)
        if not (follow and box.running):
            return
        if box.said == next_one:
            await news.wait()


def _bytes(box: Box, line: Line, *, times: bool) -> bytes:
    at, stream, text = line
    data = f"{stamp(at)} {text}" if times else text
    return f"{data}\r\n".encode() if box.tty else frame(f"{data}\n".encode(), _STREAMS[stream])


def _tail(text: str, there: int) -> int:
    return min(int(text), there) if text.isdecimal() else there


def _since(text: str) -> int:
    whole, _, part = text.partition(".")
    if not (whole + (part or "0")).isdecimal() and text:
        raise bad(f"invalid value for since: {text}")
    return int(whole or 0) * 10**9 + int(part.ljust(9, "0")[:9] or 0)
