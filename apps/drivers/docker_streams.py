"""Engine answers that never end: events, logs and statistics, as streams that any thread may close."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from apps.drivers import docker_stats, docker_values
from apps.drivers.base import EngineEvent, LogLine, StatsSample
from apps.drivers.docker_logs import Demultiplexer, Terminal
from apps.drivers.docker_wire import Reply
from apps.drivers.docker_words import understood

T = TypeVar("T")

EVENTS = {
    "type": ["container", "image", "network"],
    "event": [
        *("create", "start", "restart", "stop", "die", "kill", "oom", "pause", "unpause", "rename", "update"),
        *("destroy", "health_status", "pull", "tag", "untag", "delete", "import", "load"),
    ],
}
"""What is asked of /events, without the noise of exec and attach."""


class Following(Generic[T]):
    """A stream over one engine answer; it ends quietly when the connection does."""

    def __init__(self, reply: Reply, translate: Callable[[Reply], Iterator[T]]) -> None:
        self._reply = reply
        self._translate = translate

    def __iter__(self) -> Iterator[T]:
        try:
            yield from self._translate(self._reply)
        finally:
            self._reply.close()

    def close(self) -> None:
        """End the iteration, whichever thread it is in."""
        self._reply.close()


def events(reply: Reply) -> Iterator[EngineEvent]:
    """The lines of /events."""
    return (docker_values.event(found) for found in objects(reply))


def samples(reply: Reply) -> Iterator[StatsSample]:
    """The lines of /containers/{id}/stats for as long as the container runs."""
    for found in objects(reply):
        sample = docker_stats.sample(found)
        if sample is None:
            return
        yield sample


def machine_samples(reply: Reply) -> Iterator[StatsSample]:
    """The lines of an agent's /corral/v1/stats; what lacks a counter is left out."""
    for found in objects(reply):
        with contextlib.suppress(*docker_stats.UNTOLD):
            yield docker_stats.told(found)


def lines(reply: Reply, *, tty: bool) -> Iterator[LogLine]:
    """The body of /containers/{id}/logs with times."""
    reader = Terminal() if tty else Demultiplexer()
    for piece in reply:
        yield from reader.feed(piece)
    yield from reader.end()


def objects(reply: Reply) -> Iterator[dict[str, Any]]:
    """JSON objects, one a line; what a broken connection cut in two is left out."""
    for line in reply.lines():
        try:
            found = understood(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
