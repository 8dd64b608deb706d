"""Commands that make simulated hosts fail, over a socket: one JSON object a line, answered by one."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from corral_agent.host_agent import HostAgent
from corral_agent.simulated.engine import SimulatedEngine
from simulated_engine.errors import EngineApiError

_LINE = 65536


class InvalidCommand(Exception):
    """A command that is not understood or cannot be carried out; `str()` says why."""


class ControlServer:
    """`{"agent": 1, "do": "engine-down"}`: agents count from 1."""

    def __init__(self, fleet: Sequence[tuple[HostAgent, SimulatedEngine]]) -> None:
        self._fleet = fleet
        self._commands: dict[str, Callable[[HostAgent, SimulatedEngine, dict[str, Any]], None]] = {
            "engine-down": lambda _host, engine, _command: _set_engine_down(engine, down=True),
            "engine-up": lambda _host, engine, _command: _set_engine_down(engine, down=False),
            "cut": lambda host, _engine, _command: host.disconnect(),
            "mend": lambda host, _engine, _command: host.reconnect(),
            "kill": lambda _host, engine, command: _kill(engine, str(command.get("container", ""))),
        }

    @contextlib.asynccontextmanager
    async def listen(self, path: str) -> AsyncIterator[None]:
        """Take commands on a unix socket that only its owner may use."""
        _remove_socket(path)
        server = await asyncio.start_unix_server(self._serve, path, limit=_LINE)
        Path(path).chmod(0o600)  # noqa: ASYNC240  # it does not block
        try:
            yield
        finally:
            server.close()
            _remove_socket(path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):
            while line := await reader.readline():
                writer.write(json.dumps(self.execute(line)).encode() + b"\n")
                await writer.drain()
        writer.close()

    def execute(self, line: bytes) -> dict[str, Any]:
        """Carry out one command; the answer."""
        try:
            self._execute(line)
        except (InvalidCommand, EngineApiError) as error:
            return {"ok": False, "error": str(error)}
        return {"ok": True}

    def _execute(self, line: bytes) -> None:
        try:
            command = json.loads(line)
            number, action = command["agent"], self._commands[command["do"]]
        except (ValueError, KeyError, TypeError):
            message = f'a command is {{"agent": 1..{len(self._fleet)}, "do": one of {", ".join(self._commands)}}}'
            raise InvalidCommand(message) from None
        if not isinstance(number, int) or not 1 <= number <= len(self._fleet):
            raise InvalidCommand(f"there is no agent {number}: they count from 1 to {len(self._fleet)}")
        action(*self._fleet[number - 1], command)


def _remove_socket(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def _set_engine_down(engine: SimulatedEngine, *, down: bool) -> None:
    engine.down = down


def _kill(engine: SimulatedEngine, reference: str) -> None:
    """Its process dies by itself: unlike after `docker kill`, a restart policy counts."""
    container = engine.containers.get(reference)
    if not container.running:
        raise InvalidCommand(f"the container {reference} is not running")
    engine.containers.process_exited(container, 137)
