"""What connects a port inside a container: a script that says first that it runs, and why it cannot."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from apps.containers import port_forward
from apps.containers.port_forward import GREETING, NO_PROGRAM, check_port, forward_end_reason, forward_open
from apps.core.errors import Invalid
from apps.drivers.base import EngineError


class PiecewiseSession:
    """A command whose output comes in these pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.closed = False

    def read(self, size: int = 65536) -> bytes:
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands that were run; the first entry is the session that they get."""
    found: list[Any] = []

    def fake_open(_row: Any, command: list[str], *, tty: bool) -> Any:
        found.append((command, tty))
        return found[0]

    monkeypatch.setattr(port_forward, "command_open", fake_open)
    return found


@pytest.mark.parametrize(
    "pieces",
    [
        (GREETING + b"data",),
        (GREETING, b"data"),
        (GREETING[:3], GREETING[3:] + b"data"),
        (*(bytes([each]) for each in GREETING), b"data"),
    ],
)
def test_what_comes_behind_the_greeting_is_the_port_s(opened: list[Any], pieces: tuple[bytes, ...]):
    session: Any = PiecewiseSession(*pieces)
    opened.append(session)
    row: Any = None
    assert forward_open(row, 80) is session
    assert session.read() == b"data"
    ((command, tty),) = opened[1:]
    assert (command[0], command[-1], tty) == ("/bin/sh", "80", False)


@pytest.mark.parametrize("pieces", [(), (b"",), (b"exec failed: no such file",), (GREETING[:-1],)])
def test_a_container_without_a_shell_is_said_so(opened: list[Any], pieces: tuple[bytes, ...]):
    session: Any = PiecewiseSession(*pieces)
    opened.append(session)
    row: Any = None
    with pytest.raises(EngineError, match="no shell"):
        forward_open(row, 80)
    assert session.closed


def test_the_script_says_first_that_it_runs_and_then_that_nothing_can_connect():
    done = subprocess.run(
        ["/bin/sh", "-c", port_forward._SCRIPT, "sh", "80"],
        env={"PATH": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (NO_PROGRAM, GREETING, b"")


@pytest.mark.parametrize("port", [1, 80, 65535])
def test_a_port_is_a_number_of_its_range(port: int):
    assert check_port(port) == port


@pytest.mark.parametrize("port", [0, -1, 65536, "80", 80.0, True, None])
def test_anything_else_is_refused(port: Any):
    with pytest.raises(Invalid):
        check_port(port)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, ""),
        (None, ""),
        (1, "Nothing listens on port 80 of the container."),
        (NO_PROGRAM, "neither nc, socat nor bash"),
    ],
)
def test_the_code_of_the_command_says_why_it_ended(code: int | None, words: str):
    found = forward_end_reason(code, 80)
    assert words in found
    assert bool(found) == bool(words)
