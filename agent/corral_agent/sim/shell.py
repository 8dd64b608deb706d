"""Commands inside simulated containers: a shell just big enough to show that keys, sizes and exit codes arrive."""

from __future__ import annotations

import asyncio
import secrets
import shlex
import struct
from collections.abc import Callable
from typing import Any

from corral_agent.sim.box import Box

PROMPT = b"/ # "
_SHELLS = {"sh", "/bin/sh", "ash", "bash", "/bin/bash"}
_HEADER = struct.Struct(">BxxxL")
_TAKEN = 64
_OUT_OF_SHELL = "> /proc/1/fd/1"


def outcome(command: list[str], size: tuple[int, int] = (80, 24), hostname: str = "sim") -> tuple[str, int] | None:
    """Output and exit code of a command that ends by itself; None for one that stays."""
    name, words = command[0].rpartition("/")[2], command[1:]
    if name in {"sh", "ash", "bash"} and len(words) > 1 and words[0] == "-c":
        return _script(words[1], size, hostname)
    known: dict[str, Callable[[], tuple[str, int]]] = {
        "true": lambda: ("", 0),
        "false": lambda: ("", 1),
        "exit": lambda: ("", int(words[0]) if words and words[0].isdecimal() else 0),
        "echo": lambda: (f"{' '.join(words)}\n", 0),
        "hostname": lambda: (f"{hostname}\n", 0),
        "stty": lambda: (f"{size[1]} {size[0]}\n", 0),
    }
    return known[name]() if name in known else None


def _script(text: str, size: tuple[int, int], hostname: str) -> tuple[str, int] | None:
    try:
        parts = [outcome(shlex.split(part) or ["true"], size, hostname) for part in text.split(";")]
    except ValueError:
        return f"sh: syntax error: {text}\n", 2
    done = [part for part in parts if part is not None]
    return ("".join(words for words, _ in done), done[-1][1]) if len(done) == len(parts) else None


def frame(data: bytes, stream: int = 1) -> bytes:
    """One frame of a stream without a terminal."""
    return _HEADER.pack(stream, len(data)) + data


class Exec:
    """A command in a simulated container: what `outcome` knows, `cat`, or a shell of both."""

    def __init__(self, box: Box, found: dict[str, Any]) -> None:
        self.id = secrets.token_hex(32)
        self.box = box
        self.command = [str(word) for word in found.get("Cmd") or ()]
        self.tty = bool(found.get("Tty"))
        self.code: int | None = None
        self.size = (80, 24)
        self.started = False
        self.output: asyncio.Queue[bytes] = asyncio.Queue()
        self.room = asyncio.Semaphore(_TAKEN)  # for what is typed before its output was read
        self._line = b""
        self._shell = self.command[0] in _SHELLS and "-c" not in self.command

    def begin(self) -> None:
        """Run it."""
        self.started = True
        if self.command[-1].endswith(_OUT_OF_SHELL):
            self._to_log()
            return
        done = outcome(self.command, self.size, self.box.id[:12])
        if self._shell:
            self._put(PROMPT if self.tty else b"")
        elif done is not None:
            self._put(self._ends(done[0].encode()))
            self.end(done[1])
        elif self.command[0].rpartition("/")[2] not in {"cat", "sleep"}:
            words = f'exec failed: exec: "{self.command[0]}": executable file not found in $PATH: unknown'
            self._put(self._ends(f"OCI runtime exec failed: {words}\n".encode()))
            self.end(126)

    def _to_log(self) -> None:
        """What is written to the first process's output is in the container's log."""
        done = outcome(["sh", "-c", self.command[-1].removesuffix(_OUT_OF_SHELL)]) or ("", 127)
        for line in done[0].splitlines():
            self.box.say(line)
        self.end(done[1])

    def write(self, data: bytes) -> None:
        """Keys; a terminal shows them and hands over whole lines."""
        if self.code is not None:
            return
        if not self.tty:
            self._take(data)
            return
        for key in data:
            self._key(bytes([key]))

    def _key(self, key: bytes) -> None:
        if key == b"\x04" and not self._line:
            self.end(0)
        elif key == b"\x03":
            self._put(b"^C\r\n" + (PROMPT if self._shell else b""))
            self._line = b""
            if not self._shell:
                self.end(130)
        elif key in {b"\r", b"\n"}:
            self._put(b"\r\n")
            self._take(b"\n")
        else:
            self._put(key)
            self._line += key

    def _take(self, data: bytes) -> None:
        if not self._shell:
            self._put(self._ends(self._line + data))
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
            done = outcome(words, self.size, self.box.id[:12]) or (f"sh: {words[0]}: not found\n", 127)
            self._put(self._ends(done[0].encode()))
        self._put(PROMPT if self.tty else b"")

    def _ends(self, data: bytes) -> bytes:
        return data.replace(b"\n", b"\r\n") if self.tty else data

    def _put(self, data: bytes) -> None:
        if data and self.code is None:
            self.output.put_nowait(data if self.tty else frame(data))

    def end(self, code: int) -> None:
        """It is over."""
        if self.code is None:
            self.code = code
            self.output.put_nowait(b"")

    def shown(self) -> dict[str, Any]:
        """As /exec/{id}/json shows it."""
        running = self.started and self.code is None
        words = {"entrypoint": self.command[0], "arguments": self.command[1:], "tty": self.tty}
        return {
            "ID": self.id,
            "Running": running,
            "ExitCode": self.code,
            "ContainerID": self.box.id,
            "ProcessConfig": words,
            "Pid": 0 if not running else 4243,
        }
