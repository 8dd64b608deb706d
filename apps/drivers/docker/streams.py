"""Engine answers that never end: events, logs and statistics, as streams that any thread may close."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from apps.drivers.base import EngineEvent, LogLine, StatsSample
from apps.drivers.docker import container_stats, parsing
from apps.drivers.docker.http import EngineResponse
from apps.drivers.docker.logs import MultiplexedLogReader, TtyLogReader
from apps.drivers.docker.safe_json import parse_json

T = TypeVar("T")

EVENT_FILTERS = {
    "type": ["container", "image", "network", "volume"],
    "event": [
        *("create", "start", "restart", "stop", "die", "kill", "oom", "pause", "unpause", "rename", "update"),
        *("destroy", "health_status", "pull", "tag", "untag", "delete", "import", "load"),
    ],
}
"""What is asked of /events, without the noise of exec and attach."""


class EngineStream(Generic[T]):
    """A stream over one engine answer; it ends quietly when the connection does."""

    def __init__(self, response: EngineResponse, parse: Callable[[EngineResponse], Iterator[T]]) -> None:
        self._response = response
        self._parse = parse

    def __iter__(self) -> Iterator[T]:
        try:
            with self._response.as_engine_errors():
                yield from self._parse(self._response)
        finally:
            self._response.close()

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._response.close()


def read_events(response: EngineResponse) -> Iterator[EngineEvent]:
    """The lines of /events."""
    return (parsing.parse_event(found) for found in read_json_lines(response))


def read_stats(response: EngineResponse) -> Iterator[StatsSample]:
    """The lines of /containers/{id}/stats for as long as the container runs."""
    for found in read_json_lines(response):
        sample = container_stats.parse_stats(found)
        if sample is None:
            return
        yield sample


def read_machine_stats(response: EngineResponse) -> Iterator[StatsSample]:
    """The lines of an agent's /corral/v1/stats; what lacks a counter is left out."""
    for found in read_json_lines(response):
        with contextlib.suppress(*container_stats.INVALID_SAMPLE_ERRORS):
            yield container_stats.parse_agent_sample(found)


def read_log_lines(response: EngineResponse, *, tty: bool) -> Iterator[LogLine]:
    """The body of /containers/{id}/logs with times."""
    reader = TtyLogReader() if tty else MultiplexedLogReader()
    for piece in response:
        yield from reader.feed(piece)
    yield from reader.end()


def read_json_lines(response: EngineResponse) -> Iterator[dict[str, Any]]:
    """JSON objects, one a line; what a broken connection cut in two is left out."""
    for line in response.lines():
        try:
            found = parse_json(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
