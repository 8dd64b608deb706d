"""The terminal while a command runs in a container: each key goes there, and so does each change of its size."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from corral_cli.terminal import UserTerminal
from corral_cli.transport import MessageSocket

_END_OF_INPUT = b"\x04"
_PIECE = 65536


@contextlib.contextmanager
def raw_terminal(terminal: UserTerminal, connection: MessageSocket, *, attach: bool, tty: bool) -> Iterator[None]:
    """Pass input on while the block runs; a terminal gets back how it was, whatever happens.

    `tty` is whether the command has a terminal; without one it finds the end of its input at once if none is attached.
    """
    if not attach:
        if not tty:
            _send_end(connection, tty=False)
        yield
        return
    is_terminal = terminal.stdin.isatty() and tty
    threading.Thread(target=_pass_input, args=(terminal, connection, is_terminal, tty), daemon=True).start()
    with _raw(terminal) if is_terminal else contextlib.nullcontext(), _sizes(connection, is_terminal=is_terminal):
        yield


def _send_end(connection: MessageSocket, *, tty: bool) -> None:
    """The end of the input; that of a terminal is a key."""
    connection.send(_END_OF_INPUT if tty else json.dumps({"type": "eof"}))


def _pass_input(terminal: UserTerminal, connection: MessageSocket, is_terminal: bool, tty: bool) -> None:  # noqa: FBT001 - of a thread
    read = _reader_of(terminal.stdin)
    with contextlib.suppress(OSError, ValueError):
        while connection.closed is None:
            data = read()
            if not data:
                break
            connection.send(data)
        if not is_terminal:
            _send_end(connection, tty=tty)


def _reader_of(stdin: Any) -> Callable[[], bytes]:
    """What reads the next piece of the input; empty at its end.

    From the descriptor where there is one: a thread that waits inside Python's own buffer keeps its lock, and the
    interpreter aborts at its end over it. That is any command that ends before its input does.
    """
    source: Any = getattr(stdin, "buffer", None)
    try:
        descriptor = stdin.fileno()
    except (OSError, ValueError, AttributeError):
        return lambda: source.read1(_PIECE) if source is not None else stdin.readline().encode()
    return lambda: os.read(descriptor, _PIECE)


@contextlib.contextmanager
def _raw(terminal: UserTerminal) -> Iterator[None]:
    try:
        import termios
        import tty
    except ImportError:  # Windows: line by line
        yield
        return
    descriptor = terminal.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _sizes(connection: MessageSocket, *, is_terminal: bool) -> Iterator[None]:
    change = getattr(signal, "SIGWINCH", None)
    if not is_terminal or change is None:
        yield
        return

    def send(*_unused: object) -> None:
        columns, rows = shutil.get_terminal_size()
        connection.send(json.dumps({"type": "resize", "columns": columns, "rows": rows}))

    before = signal.signal(change, send)
    send()
    try:
        yield
    finally:
        signal.signal(change, before)
