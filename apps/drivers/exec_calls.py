"""The part of the `Driver` protocol that is about commands inside containers, and about a container's own process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from apps.drivers.base import ExecSession


@dataclass(frozen=True, slots=True)
class ExecRequest:
    """A command to be run: as `user` (the image's if empty), in `folder`, with these further `NAME=value` variables.

    `stdin`: whether it gets input at all.
    """

    command: tuple[str, ...]
    tty: bool = True
    stdin: bool = True
    user: str = ""
    folder: str = ""
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineExec:
    """A command as the engine knows it: yet to be started, running, or ended with `exit_code`."""

    id: str
    container_id: str
    command: tuple[str, ...]
    tty: bool
    running: bool
    exit_code: int | None
    privileged: bool = False


def parse_exec(found: dict[str, Any]) -> EngineExec:
    """An engine's answer about a command."""
    process = found.get("ProcessConfig") or {}
    running = bool(found.get("Running"))
    code = found.get("ExitCode")
    return EngineExec(
        id=str(found["ID"]),
        container_id=str(found["ContainerID"]),
        command=tuple(map(str, (process.get("entrypoint", ""), *(process.get("arguments") or ())))),
        tty=bool(process.get("tty")),
        running=running,
        exit_code=code if isinstance(code, int) and not running else None,
        privileged=bool(process.get("privileged")),
    )


class ExecCalls(Protocol):
    """What an engine does with commands in its containers. Raises `EngineError` and nothing else."""

    def exec(self, container_id: str, command: list[str], *, tty: bool = True) -> ExecSession:
        """Run a command inside a running container."""

    def exec_create(self, container_id: str, request: ExecRequest) -> str:
        """The id of a command that `exec_start` runs, once. Raises `EngineConflict` if the container does not run."""

    def exec_start(self, exec_id: str, *, tty: bool) -> ExecSession:
        """Run it; `tty` is what it was created with."""

    def exec_start_detached(self, exec_id: str) -> None:
        """Run it without a connection: nobody gets its output."""

    def exec_inspect(self, exec_id: str) -> EngineExec:
        """The command and how it does. Raises `EngineNotFound`, also some time after it has ended."""

    def exec_resize(self, exec_id: str, columns: int, rows: int) -> None: ...

    def attach(self, container_id: str, *, tty: bool, stdin: bool = True) -> ExecSession:
        """The output of the container's own process from now on, and its input if it has one; `tty`: a terminal.

        To close it leaves the process alone, and `exit_code` is None.
        """

    def resize(self, container_id: str, columns: int, rows: int) -> None:
        """Tell the terminal of the container's own process its size."""
