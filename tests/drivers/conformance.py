"""What conformance tests do with any engine: create containers, write, wait and collect."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from apps.drivers.base import (
    CreateRequest,
    Driver,
    ExecSession,
    Stream,
)
from apps.drivers.simulated.engine import SimulatedDriver

SLEEP_FOREVER = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done"]


def make(driver: Driver, name: str = "web", *, start: bool = True, **body: Any) -> str:
    made = driver.create(CreateRequest(name, {"Image": "bb:local", "Cmd": SLEEP_FOREVER, **body}))
    if start:
        driver.start(made)
    return made


def write_log(driver: Driver, container_id: str, text: str) -> None:
    """Have a container's process write a line."""
    if isinstance(driver, SimulatedDriver):
        driver.write_log(container_id, text)
    else:
        session = driver.exec(container_id, ["sh", "-c", f"echo {text} > /proc/1/fd/1"], tty=False)
        read_until_end(session)
        session.close()


def read_until_end(session: ExecSession) -> bytes:
    return b"".join(iter(session.read, b""))


def read_until_contains(session: ExecSession, wanted: bytes) -> bytes:
    got = b""
    while wanted not in got:
        piece = session.read()
        assert piece, f"{wanted!r} never came: {got!r}"
        got += piece
    return got


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


@contextlib.contextmanager
def collected(stream: Stream[Any]) -> Iterator[list[Any]]:
    """What a stream brings, gathered by another thread; closing it ends that thread."""
    got: list[Any] = []
    thread = threading.Thread(target=lambda: got.extend(collect_into(stream, got)), daemon=True)
    thread.start()
    try:
        yield got
    finally:
        stream.close()
        thread.join(30)
        assert not thread.is_alive(), "closing the stream did not end it"


def collect_into(stream: Stream[Any], got: list[Any]) -> list[Any]:
    for item in stream:
        got.append(item)  # noqa: PERF402  # others read the list meanwhile
    return []
