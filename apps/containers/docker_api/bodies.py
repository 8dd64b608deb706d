"""Bodies that come piece by piece: a container's log, and the word that it has ended."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

from apps.containers.docker_api.answers import encode_log
from apps.drivers.base import Driver, EngineNotFound, LogLine, Stream

WAIT_INTERVAL = 1.0  # seconds between two looks at a container that is waited for
_ENDED = frozenset({"exited", "dead", "created"})


class LogBody:
    """A log in the engine's own format, of the streams that are wanted."""

    def __init__(self, lines: Stream[LogLine], *, timestamps: bool, streams: frozenset[str]) -> None:
        self._lines, self._timestamps, self._streams = lines, timestamps, streams

    def __iter__(self) -> Iterator[bytes]:
        return encode_log(self._lines, timestamps=self._timestamps, streams=self._streams)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._lines.close()


class WaitBody:
    """One line, once the container does not run: its exit code."""

    def __init__(self, engine: Driver, container_id: str) -> None:
        self._engine, self._container_id = engine, container_id
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        while not self._closed.is_set():
            try:
                seen = self._engine.inspect(self._container_id)
            except EngineNotFound:
                yield json.dumps({"StatusCode": 0, "Error": {"Message": "The container is gone."}}).encode() + b"\n"
                return
            if seen.state in _ENDED:
                yield json.dumps({"StatusCode": seen.exit_code or 0}).encode() + b"\n"
                return
            self._closed.wait(WAIT_INTERVAL)

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._closed.set()
