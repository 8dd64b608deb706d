"""The calls about commands of a simulated engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from apps.drivers.base import EngineDown, ExecSession, LogLine, Stream, StreamName
from apps.drivers.exec_calls import EngineExec, ExecRequest, parse_exec
from apps.drivers.simulated.exec import SimulatedExec
from apps.drivers.simulated.streams import LogStream
from simulated_engine.engine import EngineCore


class _Closable(Protocol):
    """A stream or session that an outage ends."""

    def close(self) -> None: ...


StreamT = TypeVar("StreamT", bound=_Closable)


class _Simulated(Protocol):
    """What these calls need of their driver."""

    def _call(self, name: str) -> AbstractContextManager[EngineCore]: ...
    def _track(self, stream: StreamT) -> StreamT: ...


class SimulatedExecCalls:
    """The calls about commands of `SimulatedDriver`."""

    def exec(self: _Simulated, container_id: str, command: list[str], *, tty: bool = True) -> ExecSession:
        """Run a command inside a running container."""
        with self._call("exec") as core:
            session = core.commands.create(core.containers.get(container_id), command, tty=tty)
            return self._track(SimulatedExec(session, core.lock))

    def exec_create(self: _Simulated, container_id: str, request: ExecRequest) -> str:
        """The id of a command that is yet to be started; user and folder make no difference here."""
        with self._call("exec_create") as core:
            container = core.containers.get(container_id)
            return core.commands.create(container, list(request.command), tty=request.tty).id

    def exec_start(self: _Simulated, exec_id: str, *, tty: bool) -> ExecSession:  # noqa: ARG002 - it was created with it
        """Run it."""
        with self._call("exec_start") as core:
            return self._track(SimulatedExec(core.commands.get(exec_id), core.lock))

    def exec_start_detached(self: _Simulated, exec_id: str) -> None:
        """Run it without a connection."""
        with self._call("exec_start") as core:
            core.commands.get(exec_id).begin(lambda _output: None)

    def exec_inspect(self: _Simulated, exec_id: str) -> EngineExec:
        """The command and how it does."""
        with self._call("exec_inspect") as core:
            return parse_exec(core.commands.get(exec_id).details())

    def exec_resize(self: _Simulated, exec_id: str, columns: int, rows: int) -> None:
        """Tell its terminal its size."""
        with self._call("exec_resize") as core:
            core.commands.get(exec_id).size = (columns, rows)

    def attach(self: _Simulated, container_id: str, *, tty: bool, stdin: bool = True) -> ExecSession:  # noqa: ARG002 - nothing reads here
        """The lines that the container writes from now on."""
        with self._call("attach") as core:
            log = LogStream(core.containers.get(container_id), core.lock, follow=True, tail=0, since="")
            return self._track(SimulatedAttachment(log, tty=tty))

    def resize(self: _Simulated, container_id: str, columns: int, rows: int) -> None:  # noqa: ARG002 - nothing is drawn here
        """The process takes no notice."""
        with self._call("resize") as core:
            core.containers.get(container_id)


class SimulatedAttachment:
    """What a simulated container writes, as an `ExecSession`; it reads no input."""

    def __init__(self, log: Stream[LogLine], *, tty: bool) -> None:
        self._log, self._end = log, b"\r\n" if tty else b"\n"
        self._lines: Iterator[LogLine] = iter(log)
        self._pending = b""

    def read(self, size: int = 65536) -> bytes:
        """Output; blocks, and returns b"" at the end."""
        if not self._pending:
            self._pending = self.read_stream()[1]
        found, self._pending = self._pending[:size], self._pending[size:]
        return found

    def read_stream(self) -> tuple[StreamName, bytes]:
        """Some output, and where it was written; blocks, and returns b"" at the end."""
        line = next(self._lines, None)
        return ("stdout", b"") if line is None else (line.stream, line.text.encode() + self._end)

    def write(self, data: bytes) -> None:  # noqa: ARG002 - as above
        """Raises `EngineDown`: the process reads nothing."""
        raise EngineDown("The container's process takes no input.")

    def end_input(self) -> None:
        """Nothing was read."""

    def resize(self, columns: int, rows: int) -> None:
        """Nothing is drawn."""

    def exit_code(self) -> int | None:
        """Not known of a process that one is attached to."""
        return None

    def close(self) -> None:
        """Let go; the process goes on."""
        self._log.close()
