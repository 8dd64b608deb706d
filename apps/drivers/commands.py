"""A command inside a container that ends by itself: run to its end, within limits of time and output."""

from __future__ import annotations

import contextlib
import io
import tarfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from apps.core.read_budgets import MB
from apps.drivers.base import Driver, EngineDown, EngineTimeout, ExecSession

COMMAND_SECONDS = 15.0
MAX_OUTPUT = 4 * MB
_PIECE = 32 * 1024


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What it said (output and errors together), and its exit code."""

    exit_code: int | None
    output: str


def run_command(
    engine: Driver, container_id: str, command: list[str], *, stdin: bytes = b"", seconds: float = COMMAND_SECONDS
) -> CommandResult:
    """Run it, give it `stdin` (whose end it does not see) and wait for its end.

    Raises `EngineTimeout` for one that takes longer, or says more than is read.
    """
    session = engine.exec(container_id, command, tty=False)
    late = threading.Event()
    timer = threading.Timer(seconds, _end, (session, late))
    timer.daemon = True
    timer.start()
    try:
        with contextlib.suppress(EngineDown):  # one that ended before it read all of it says why
            for start in range(0, len(stdin), _PIECE):
                session.write(stdin[start : start + _PIECE])
        output = _read_all(session)
        if late.is_set():
            raise EngineTimeout(f"{command[0]} did not end within {seconds:g} seconds.")
        return CommandResult(session.exit_code(), output.decode("utf-8", "replace"))
    finally:
        timer.cancel()
        session.close()


def pack_files(files: Mapping[str, bytes]) -> bytes:
    """A tar archive to be unpacked at the root: files by absolute paths, which only their owner may read."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(content), 0o600
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _end(session: ExecSession, late: threading.Event) -> None:
    late.set()
    session.close()


def _read_all(session: ExecSession) -> bytes:
    output = bytearray()
    while piece := session.read():
        output += piece
        if len(output) > MAX_OUTPUT:
            raise EngineTimeout(f"A command said more than {MAX_OUTPUT // MB} MB.")
    return bytes(output)
