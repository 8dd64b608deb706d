"""Commands inside simulated containers: a shell just big enough to show that keys, sizes and exit codes arrive."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from simulated_engine.balancer import answer_script
from simulated_engine.container import SimulatedContainer
from simulated_engine.errors import bad_request, conflict, not_found
from simulated_engine.runtime import Runtime

PROMPT = b"/ # "
_SHELLS = {"sh", "/bin/sh", "ash", "bash", "/bin/bash"}
_STAYING = {"cat", "sleep"}
_READING = {"cat"}
_TO_CONTAINER_LOG = "> /proc/1/fd/1"
_DEFAULT_SIZE = (80, 24)
_NOT_FOUND, _INTERRUPTED, _KILLED = 126, 130, 137  # as runc and shells report them
_MAX_SESSIONS = 256  # their exit codes are asked for at once, if at all

Emit = Callable[[bytes], None]


class CommandOutput(NamedTuple):
    """What a command that ends by itself leaves."""

    text: str
    exit_code: int


def run_command(
    command: list[str], size: tuple[int, int] = _DEFAULT_SIZE, hostname: str = "sim"
) -> CommandOutput | None:
    """Output and exit code of a command that ends by itself; None for one that stays. `size` is columns and rows."""
    name, words = command[0].rpartition("/")[2], command[1:]
    if name in {"sh", "ash", "bash"} and len(words) > 1 and words[0] == "-c":
        said = answer_script(words[1])
        if said is not None:
            return CommandOutput(said, 0)
        return _run_script(words[1], size, hostname)
    known = {
        "true": ("", 0),
        "false": ("", 1),
        "exit": ("", _exit_code(words)),
        "echo": (f"{' '.join(words)}\n", 0),
        "hostname": (f"{hostname}\n", 0),
        "stty": (f"{size[1]} {size[0]}\n", 0),
    }
    return CommandOutput(*known[name]) if name in known else None


def _exit_code(words: list[str]) -> int:
    return int(words[0]) if words and words[0].isdecimal() else 0


def _run_script(text: str, size: tuple[int, int], hostname: str) -> CommandOutput | None:
    try:
        outputs = [run_command(shlex.split(part) or ["true"], size, hostname) for part in text.split(";")]
    except ValueError:
        return CommandOutput(f"sh: syntax error: {text}\n", 2)
    ended = [output for output in outputs if output is not None]
    if len(ended) < len(outputs):
        return None
    return CommandOutput("".join(output.text for output in ended), ended[-1].exit_code)


class CommandSession:
    """An exec of a simulated container: what `run_command` knows, `cat`, or a shell of both.

    Output goes to `emit`, which must not block; b"" marks its end.
    """

    def __init__(
        self, key: str, container: SimulatedContainer, command: list[str], runtime: Runtime, *, tty: bool
    ) -> None:
        self.id, self.container, self.command, self.tty = key, container, command, tty
        self.exit_code: int | None = None
        self.size = _DEFAULT_SIZE
        self.started = False
        self._runtime = runtime
        self._emit: Emit = _discard
        self._unsubscribe: Callable[[], None] = lambda: None
        self._line = b""
        self._is_shell = command[0] in _SHELLS and "-c" not in command

    def begin(self, emit: Emit) -> None:
        """Run it, once. Raises `EngineApiError` when it has run, or its container does not."""
        if self.started:
            raise conflict(f"Error: Exec command {self.id} has already run")
        _require_running(self.container)
        self.started, self._emit = True, emit
        self._unsubscribe = self.container.subscribe(self._end_with_container)
        if self.command[-1].endswith(_TO_CONTAINER_LOG):
            self._write_to_log()
            return
        output = run_command(self.command, self.size, self.container.hostname)
        if self._is_shell:
            self._write_out(PROMPT if self.tty else b"")
        elif output is not None:
            self._write_out(self._convert_newlines(output.text.encode()))
            self.end(output.exit_code)
        elif self.command[0].rpartition("/")[2] not in _STAYING:
            reason = f'exec failed: exec: "{self.command[0]}": executable file not found in $PATH: unknown'
            self._write_out(self._convert_newlines(f"OCI runtime exec failed: {reason}\n".encode()))
            self.end(_NOT_FOUND)

    def _write_to_log(self) -> None:
        """What is written to the first process's output is in the container's log."""
        script = self.command[-1].removesuffix(_TO_CONTAINER_LOG)
        output = run_command(["sh", "-c", script]) or CommandOutput("", 127)
        for line in output.text.splitlines():
            self.container.write_log(self._runtime.now(), line)
        self.end(output.exit_code)

    def _end_with_container(self) -> None:
        if not self.container.running:
            self.end(_KILLED)

    def write(self, data: bytes) -> None:
        """Input; a terminal echoes it and hands over whole lines."""
        if self.exit_code is not None:
            return
        if not self.tty:
            self._accept(data)
            return
        for key in data:
            self._type_key(bytes([key]))

    def end_input(self) -> None:
        """The end of the input: what was reading it ends, a command that runs by itself goes on."""
        is_reading = self._is_shell or self.command[0].rpartition("/")[2] in _READING
        if not self.tty and self.exit_code is None and is_reading:
            self._write_out(self._line)
            self.end(0)

    def _type_key(self, key: bytes) -> None:
        if key == b"\x04" and not self._line:
            self.end(0)
        elif key == b"\x03":
            self._write_out(b"^C\r\n" + (PROMPT if self._is_shell else b""))
            self._line = b""
            if not self._is_shell:
                self.end(_INTERRUPTED)
        elif key in {b"\r", b"\n"}:
            self._write_out(b"\r\n")
            self._accept(b"\n")
        else:
            self._write_out(key)
            self._line += key

    def _accept(self, data: bytes) -> None:
        if not self._is_shell:
            self._write_out(self._convert_newlines(self._line + data))
            self._line = b""
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._run_line(line.decode("utf-8", "replace"))

    def _run_line(self, line: str) -> None:
        try:
            words = shlex.split(line)
        except ValueError:
            words = ["sh:", line]
        if words[:1] == ["exit"]:
            self.end(_exit_code(words[1:]))
            return
        if words:
            output = run_command(words, self.size, self.container.hostname)
            text = output.text if output is not None else f"sh: {words[0]}: not found\n"
            self._write_out(self._convert_newlines(text.encode()))
        self._write_out(PROMPT if self.tty else b"")

    def _convert_newlines(self, data: bytes) -> bytes:
        return data.replace(b"\n", b"\r\n") if self.tty else data

    def _write_out(self, data: bytes) -> None:
        if data and self.exit_code is None:
            self._emit(data)

    def end(self, exit_code: int) -> None:
        """End it, unless it has ended."""
        if self.exit_code is None:
            self.exit_code = exit_code
            self._unsubscribe()  # or a long-lived container would keep every command that it ever ran
            self._emit(b"")
            self._emit = _discard

    def details(self) -> dict[str, Any]:
        """The answer of /exec/{id}/json."""
        running = self.started and self.exit_code is None
        return {
            "ID": self.id,
            "Running": running,
            "ExitCode": self.exit_code,
            "ContainerID": self.container.id,
            "ProcessConfig": {"entrypoint": self.command[0], "arguments": self.command[1:], "tty": self.tty},
            "Pid": 4243 if running else 0,
        }


class CommandSessions:
    """The latest execs of one engine, running or not."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._by_id: dict[str, CommandSession] = {}

    def create(self, container: SimulatedContainer, command: list[str], *, tty: bool) -> CommandSession:
        """A command that is yet to begin. Raises `EngineApiError`."""
        _require_running(container)
        if not command:
            raise bad_request("No exec command specified")
        session = CommandSession(self._runtime.random_hex(32), container, command, self._runtime, tty=tty)
        self._by_id[session.id] = session
        while len(self._by_id) > _MAX_SESSIONS:
            del self._by_id[next(iter(self._by_id))]
        return session

    def get(self, key: str) -> CommandSession:
        """Raises `EngineApiError` for one that never was, or is forgotten."""
        if key not in self._by_id:
            raise not_found(f"No such exec instance: {key}")
        return self._by_id[key]


def _require_running(container: SimulatedContainer) -> None:
    if not container.running:
        raise conflict(f"Container {container.id} is not running")


def _discard(_data: bytes) -> None:
    """The output of a command that nobody reads."""
