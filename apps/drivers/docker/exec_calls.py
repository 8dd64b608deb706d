"""Commands in the containers of a Docker engine."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from apps.drivers.base import ExecSession
from apps.drivers.docker.exec import DockerExec
from apps.drivers.docker.http import EngineResponse
from apps.drivers.docker.sdk import EngineConnection
from apps.drivers.exec_calls import EngineExec, ExecRequest, parse_exec

# The engine leaves a terminal at Ctrl-P Ctrl-Q, and holds back a Ctrl-P until the next key. It must have some keys for
# this: these nobody types, and Ctrl-Space, which is held back instead, begins sequences in what programs use it for.
_DETACH_KEYS = "ctrl-@,ctrl-^,ctrl-_,ctrl-^,ctrl-_"


class _Engine(Protocol):
    """What these calls need of their driver."""

    _connection: EngineConnection

    def _request(self, method: str, path: str, **options: Any) -> EngineResponse: ...
    def exec_create(self, container_id: str, request: ExecRequest) -> str: ...
    def exec_start(self, exec_id: str, *, tty: bool) -> ExecSession: ...
    def exec_inspect(self, exec_id: str) -> EngineExec: ...
    def exec_resize(self, exec_id: str, columns: int, rows: int) -> None: ...
    def resize(self, container_id: str, columns: int, rows: int) -> None: ...


class DockerExecCalls:
    """The calls about commands of `DockerDriver`."""

    def exec(self: _Engine, container_id: str, command: list[str], *, tty: bool = True) -> ExecSession:
        """Run a command inside a running container."""
        return self.exec_start(self.exec_create(container_id, ExecRequest(tuple(command), tty=tty)), tty=tty)

    def exec_create(self: _Engine, container_id: str, request: ExecRequest) -> str:
        """The id of a command that is yet to be started."""
        with self._connection() as sdk:
            made = sdk.exec_create(
                container_id,
                list(request.command),
                stdin=request.stdin,
                tty=request.tty,
                user=request.user,
                workdir=request.folder or None,
                environment=list(request.environment) or None,
                detach_keys=_DETACH_KEYS,
            )
            return str(made["Id"])

    def exec_start(self: _Engine, exec_id: str, *, tty: bool) -> ExecSession:
        """Run it."""
        reply = self._request(
            "POST", f"/exec/{_quoted(exec_id)}/start", body={"Detach": False, "Tty": tty}, upgrade=True
        )
        return DockerExec(
            reply,
            tty=tty,
            resize=partial(self.exec_resize, exec_id),
            exit_code=lambda: self.exec_inspect(exec_id).exit_code,
        )

    def exec_start_detached(self: _Engine, exec_id: str) -> None:
        """Run it without a connection."""
        with self._connection() as sdk:
            sdk.exec_start(exec_id, detach=True)

    def exec_inspect(self: _Engine, exec_id: str) -> EngineExec:
        """The command and how it does."""
        with self._connection() as sdk:
            return parse_exec(sdk.exec_inspect(exec_id))

    def exec_resize(self: _Engine, exec_id: str, columns: int, rows: int) -> None:
        """Tell its terminal its size."""
        with self._connection() as sdk:
            sdk.exec_resize(exec_id, height=rows, width=columns)

    def attach(self: _Engine, container_id: str, *, tty: bool, stdin: bool = True) -> ExecSession:
        """The output of the container's own process, and its input."""
        query = {"stream": 1, "stdout": 1, "stderr": 1, "stdin": int(stdin), "detachKeys": _DETACH_KEYS}
        path = f"/containers/{_quoted(container_id)}/attach?{urlencode(query)}"
        reply = self._request("POST", path, upgrade=True)
        size = partial(self.resize, container_id)
        return DockerExec(reply, tty=tty, resize=size, exit_code=lambda: None, hangs_up=False)

    def resize(self: _Engine, container_id: str, columns: int, rows: int) -> None:
        """Tell the terminal of the container's own process its size."""
        with self._connection() as sdk:
            sdk.resize(container_id, height=rows, width=columns)


def _quoted(key: str) -> str:
    return quote(key, safe="")
