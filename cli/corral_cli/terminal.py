"""The terminal, pipe and clock that a command uses: all of it in one place, so that tests can provide their own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

_COLORS = {"red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36"}
_BAR_WIDTH = 20
NAME_COLORS = ("cyan", "yellow", "green", "magenta", "blue")


def printable(text: object) -> str:
    """Text from elsewhere without control characters: a name must not steer somebody's terminal."""
    found = str(text)
    return found if found.isprintable() else "".join(each if each.isprintable() else "?" for each in found)


class UserTerminal:
    """What a command reads from and writes to."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        stdin: TextIO,
        environ: Mapping[str, str],
        *,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
        folder: str = ".",
        verbose: bool = False,
    ) -> None:
        self.out, self.err, self.stdin = out, err, stdin
        self.environ = environ
        self.sleep, self.now = sleep, now
        self.folder, self.verbose = folder, verbose
        self.started = now()
        self._progress = ""

    @classmethod
    def of_process(cls) -> UserTerminal:
        """The process's own; characters that its encoding does not have are replaced, not refused."""
        for stream in (sys.stdout, sys.stderr):
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure:
                reconfigure(errors="replace")
        stdin: TextIO | None = sys.stdin  # None where the descriptor is closed, as some services do
        return cls(sys.stdout, sys.stderr, stdin or Path(os.devnull).open(encoding="utf-8"), os.environ)

    @property
    def is_interactive(self) -> bool:
        """Whether a person reads what is printed."""
        return self.out.isatty()

    def color(self, text: str, name: str) -> str:
        """The text in a color, where people look at it and have not said NO_COLOR."""
        if not self.is_interactive or self.environ.get("NO_COLOR"):
            return text
        return f"\x1b[{_COLORS[name]}m{text}\x1b[0m"

    def print(self, text: str = "") -> None:
        """One line of the command's result."""
        self.clear_progress()
        self.out.write(f"{text}\n")
        self.out.flush()

    def pass_on(self, data: bytes, *, is_error: bool) -> None:
        """Bytes of another program's stdout or stderr, unchanged."""
        stream = self.err if is_error else self.out
        stream.flush()
        raw = getattr(stream, "buffer", None)
        if raw is None:
            stream.write(data.decode("utf-8", "replace"))
        else:
            raw.write(data)
        (raw or stream).flush()

    def note(self, text: str) -> None:
        """One line beside the result: it does not disturb a program that reads the result."""
        self.clear_progress()
        self.err.write(f"{text}\n")
        self.err.flush()

    def debug(self, text: str) -> None:
        """One line for those who said --verbose."""
        if self.verbose:
            self.note(text)

    def progress(self, text: str) -> None:
        """What is being waited for: one line that changes on a terminal, a line for each change in a pipe."""
        text = printable(text)
        if text == self._progress:
            return
        if self.err.isatty():
            self.clear_progress()
            self.err.write(f"{text[:120]}\r")
        else:
            self.err.write(f"{text}\n")
        self._progress = text
        self.err.flush()

    def progress_bar(self, percent: float, text: str) -> None:
        """How far something is, from 0 to 100, before what is being waited for; in a pipe the text alone."""
        if not self.err.isatty():
            self.progress(text)
            return
        done = int(_BAR_WIDTH * min(max(percent, 0), 100) / 100)
        self.progress(f"[{'=' * done}{' ' * (_BAR_WIDTH - done)}] {percent:3.0f} %  {text}")

    def clear_progress(self) -> None:
        """Take away the line that changes."""
        if self._progress and self.err.isatty():
            self.err.write("\r\x1b[K")
        self._progress = ""

    def ask_secret(self, text: str) -> str:
        """A line that is not shown while it is typed; from a pipe, its next line."""
        if self.stdin.isatty():
            import getpass

            return getpass.getpass(text, stream=self.err)
        return self.stdin.readline().rstrip("\r\n")
