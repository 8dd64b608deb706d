"""Commands inside simulated containers: a shell just big enough to show that keys, sizes and exit codes arrive."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import struct
from collections.abc import Callable
from typing import Any

from corral_agent.simulated.container import SimulatedContainer

PROMPT = b"/ # "
_SHELLS = {"sh", "/bin/sh", "ash", "bash", "/bin/bash"}
_HEADER = struct.Struct(">BxxxL")
_MAX_PENDING_INPUT = 64
_TO_CONTAINER_LOG = "> /proc/1/fd/1"


def run_command(command: list[str], size: tuple[int, int] = (80, 24), hostname: str = "sim") -> tuple[str, int] | None:
    """Output and exit code of a command that ends by itself; None for one that stays."""
    name, words = command[0].rpartition("/")[2], command[1:]
    if name in {"sh", "ash", "bash"} and len(words) > 1 and words[0] == "-c":
        return _run_script(words[1], size, hostname)
    known: dict[str, Callable[[], tuple[str, int]]] = {
        "true": lambda: ("", 0),
        "false": lambda: ("", 1),
        "exit": lambda: ("", int(words[0]) if words and words[0].isdecimal() else 0),
        "echo": lambda: (f"{' '.join(words)}\n", 0),
        "hostname": lambda: (f"{hostname}\n", 0),
        "stty": lambda: (f"{size[1]} {size[0]}\n", 0),
    }
    return known[name]() if name in known else None


def _run_script(text: str, size: tuple[int, int], hostname: str) -> tuple[str, int] | None:
    try:
        parts = [run_command(shlex.split(part) or ["true"], size, hostname) for part in text.split(";")]
    except ValueError:
        return f"sh: syntax error: {text}\n", 2
    result = [part for part in parts if part is not None]
    return ("".join(words for words, _ in result), result[-1][1]) if len(result) == len(parts) else None


def encode_frame(data: bytes, stream: int = 1) -> bytes:
    """One frame of a stream without a terminal."""
    return _HEADER.pack(stream, len(data)) + data


class SimulatedExec:
    """A command in a simulated container: what `run_command` knows, `cat`, or a shell of both."""

    def __init__(self, container: SimulatedContainer, config: dict[str, Any]) -> None:
        self.id = secrets.token_hex(32)
        self.container = container
        self.command = [str(word) for word in config.get("Cmd") or ()]
        self.tty = bool(config.get("Tty"))
        self.exit_code: int | None = None
        self.size = (80, 24)
        self.started = False
        self.output: asyncio.Queue[bytes] = asyncio.Queue()
        self.input_slots = asyncio.Semaphore(_MAX_PENDING_INPUT)  # for what is typed before its output was read
        self._line = b""
        self._shell = self.command[0] in _SHELLS and "-c" not in self.command

    def begin(self) -> None:
        """Run it."""
        self.started = True
        if self.command[-1].endswith(_TO_CONTAINER_LOG):
            self._to_log()
            return
        result = run_command(self.command, self.size, self.container.id[:12])
        if self._shell:
            self._emit(PROMPT if self.tty else b"")
        elif result is not None:
            self._emit(self._convert_newlines(result[0].encode()))
            self.end(result[1])
        elif self.command[0].rpartition("/")[2] not in {"cat", "sleep"}:
            words = f'exec failed: exec: "{self.command[0]}": executable file not found in $PATH: unknown'
            self._emit(self._convert_newlines(f"OCI runtime exec failed: {words}\n".encode()))
            self.end(126)

    def _to_log(self) -> None:
        """What is written to the first process's output is in the container's log."""
        result = run_command(["sh", "-c", self.command[-1].removesuffix(_TO_CONTAINER_LOG)]) or ("", 127)
        for line in result[0].splitlines():
            self.container.write_log(line)
        self.end(result[1])

    def write(self, data: bytes) -> None:
        """Keys; a terminal shows them and hands over whole lines."""
        if self.exit_code is not None:
            return
        if not self.tty:
            self._accept(data)
            return
        for key in data:
            self._type_key(bytes([key]))

    def _type_key(self, key: bytes) -> None:
        if key == b"\x04" and not self._line:
            self.end(0)
        elif key == b"\x03":
            self._emit(b"^C\r\n" + (PROMPT if self._shell else b""))
            self._line = b""
            if not self._shell:
                self.end(130)
        elif key in {b"\r", b"\n"}:
            self._emit(b"\r\n")
            self._accept(b"\n")
        else:
            self._emit(key)
            self._line += key

    def _accept(self, data: bytes) -> None:
        if not self._shell:
            self._emit(self._convert_newlines(self._line + data))
            self._line = b""
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._run(line.decode("utf-8", "replace"))

    def _run(self, line: str) -> None:
        try:
            words = shlex.split(line)
        except ValueError:
            words = ["sh:", line]
        if words[:1] == ["exit"]:
            self.end(int(words[1]) if words[1:] and words[1].isdecimal() else 0)
            return
        if words:
            result = run_command(words, self.size, self.container.id[:12]) or (f"sh: {words[0]}: not found\n", 127)
            self._emit(self._convert_newlines(result[0].encode()))
        self._emit(PROMPT if self.tty else b"")

    def _convert_newlines(self, data: bytes) -> bytes:
        return data.replace(b"\n", b"\r\n") if self.tty else data

    def _emit(self, data: bytes) -> None:
        if data and self.exit_code is None:
            self.output.put_nowait(data if self.tty else encode_frame(data))

    def end(self, exit_code: int) -> None:
        """It is over."""
        if self.exit_code is None:
            self.exit_code = exit_code
            self.output.put_nowait(b"")

    def shown(self) -> dict[str, Any]:
        """As /exec/{id}/json shows it."""
        running = self.started and self.exit_code is None
        words = {"entrypoint": self.command[0], "arguments": self.command[1:], "tty": self.tty}
        return {
            "ID": self.id,
            "Running": running,
            "ExitCode": self.exit_code,
            "ContainerID": self.container.id,
            "ProcessConfig": words,
            "Pid": 0 if not running else 4243,
        }
