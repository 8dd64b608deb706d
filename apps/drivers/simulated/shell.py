"""Commands inside simulated containers: a shell just big enough to show that keys, sizes and exit codes arrive."""

from __future__ import annotations

import queue
import shlex
from collections.abc import Callable

from apps.drivers.base import EngineDown

PROMPT = b"/ # "
_SHELLS = {"sh", "/bin/sh", "ash", "bash", "/bin/bash"}


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


class SimulatedExec:
    """A command in a simulated container: what `run_command` knows, `cat`, or a shell of both."""

    def __init__(self, command: list[str], *, tty: bool, hostname: str, stopped: Callable[[], bool]) -> None:
        self._tty = tty
        self._hostname = hostname
        self._container_stopped = stopped
        self._size = (80, 24)
        self._output: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._pending = b""
        self._line = b""
        self._code: int | None = None
        self._ended = False
        self._shell = command[0] in _SHELLS and "-c" not in command
        self._begin(command)

    def _begin(self, command: list[str]) -> None:
        result = run_command(command, self._size, self._hostname)
        if self._shell:
            self._emit(PROMPT if self._tty else b"")
        elif result is not None:
            self._emit(self._convert_newlines(result[0].encode()))
            self._end(result[1])
        elif command[0].rpartition("/")[2] not in {"cat", "sleep"}:
            words = f'OCI runtime exec failed: exec failed: exec: "{command[0]}": executable file not found in $PATH'
            self._emit(self._convert_newlines(f"{words}: unknown\n".encode()))
            self._end(126)

    def read(self, size: int = 65536) -> bytes:
        """Output; blocks, and returns b"" at the end."""
        while not self._pending:
            try:
                got = self._output.get(timeout=0.2)
            except queue.Empty:
                if self._container_stopped():
                    self._end(137)
                continue
            if not got:
                self._output.put(b"")  # whoever reads again finds the end again
                return b""
            self._pending = got
        got, self._pending = self._pending[:size], self._pending[size:]
        return got

    def write(self, data: bytes) -> None:
        """Keys; a terminal shows them and hands over whole lines."""
        if self._ended:
            raise EngineDown("The command takes no more input: it has ended, or its connection has.")
        if not self._tty:
            self._accept(data)
            return
        for key in data:
            self._type_key(bytes([key]))

    def _type_key(self, key: bytes) -> None:
        if key == b"\x04" and not self._line:
            self._end(0)
        elif key == b"\x03":
            self._emit(b"^C\r\n" + (PROMPT if self._shell else b""))
            self._line = b""
            if not self._shell:
                self._end(130)
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
            self._end(int(words[1]) if words[1:] and words[1].isdecimal() else 0)
            return
        if words:
            result = run_command(words, self._size, self._hostname) or (f"sh: {words[0]}: not found\n", 127)
            self._emit(self._convert_newlines(result[0].encode()))
        self._emit(PROMPT if self._tty else b"")

    def _convert_newlines(self, data: bytes) -> bytes:
        return data.replace(b"\n", b"\r\n") if self._tty else data

    def _emit(self, data: bytes) -> None:
        if data and not self._ended:
            self._output.put(data)

    def _end(self, code: int) -> None:
        if not self._ended:
            self._ended, self._code = True, code
            self._output.put(b"")

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size."""
        self._size = (columns, rows)

    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._code

    def close(self) -> None:
        """Let go; the command ends."""
        self._end(129)
