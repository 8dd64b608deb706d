"""Orders to simulated hosts to fail, over a socket: one JSON object a line, answered by one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from corral_agent.host import Host
from corral_agent.sim.engine import SimEngine
from corral_agent.sim.refusals import Refusal

_LINE = 65536


class BadOrder(Exception):
    """An order that is not understood; `str()` says why."""


class Control:
    """`{"agent": 1, "do": "engine-down"}`: agents count from 1."""

    def __init__(self, fleet: Sequence[tuple[Host, SimEngine]]) -> None:
        self._fleet = fleet
        self._orders: dict[str, Callable[[Host, SimEngine, dict[str, Any]], None]] = {
            "engine-down": lambda _host, engine, _order: _switch(engine, down=True),
            "engine-up": lambda _host, engine, _order: _switch(engine, down=False),
            "cut": lambda host, _engine, _order: host.cut(),
            "mend": lambda host, _engine, _order: host.mend(),
            "kill": lambda _host, engine, order: _kill(engine, str(order.get("container", ""))),
        }

    @contextlib.asynccontextmanager
    async def listening(self, path: str) -> AsyncIterator[None]:
        """Take orders on a unix socket that only its owner may use."""
        _clear(path)
        server = await asyncio.start_unix_server(self._serve, path, limit=_LINE)
        Path(path).chmod(0o600)  # noqa: ASYNC240  # at once done
        try:
            yield
        finally:
            server.close()
            _clear(path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                writer.write(json.dumps(self.obey(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    def obey(self, line: bytes) -> dict[str, Any]:
        """Carry one order out; the answer."""
        try:
            self._obey(line)
        except (BadOrder, Refusal) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True}

    def _obey(self, line: bytes) -> None:
        try:
            order = json.loads(line)
            number, do = order["agent"], self._orders[order["do"]]
        except (ValueError, KeyError, TypeError):
            words = f'an order is {{"agent": 1..{len(self._fleet)}, "do": one of {", ".join(self._orders)}}}'
            raise BadOrder(words) from None
        if not isinstance(number, int) or not 1 <= number <= len(self._fleet):
            raise BadOrder(f"there is no agent {number}: they count from 1 to {len(self._fleet)}")
        do(*self._fleet[number - 1], order)


def _clear(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _switch(engine: SimEngine, *, down: bool) -> None:
    engine.down = down


def _kill(engine: SimEngine, reference: str) -> None:
    """Its process dies by itself: unlike after `docker kill`, a restart policy counts."""
    box = engine.boxes.get(reference)
    if not box.running:
        raise BadOrder(f"the container {reference} does not run")
    engine.boxes.ended(box, 137)
