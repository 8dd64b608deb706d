"""The agent's own API: its identity, its journal, counters of machine and containers, and the portal's documents."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from corral_agent import VERSION
from corral_agent.counters import Sample
from corral_agent.documents import DocumentRefused, HostDocuments
from corral_agent.engine import Engine, EngineUnreachable, get_json
from corral_agent.engine_proxy import responses
from corral_agent.engine_proxy.streams import Sink
from corral_agent.event_watcher import EventWatcher
from corral_agent.journal import Journal
from health_checks.check import BadDocument, parse_document
from health_checks.runner import CheckRunner

_SAMPLE_INTERVAL = 1.0
_MAX_EVENTS = 1000
# Seconds from one line to the next: the first change goes out at once, and a thousand at once are still a few lines.
_CHECKS_BATCH = 0.2
_CHECKS_QUIET = 20.0
_CHECKS_A_LINE = 500
_REPORTS_BATCH, _REPORTS_QUIET = 0.2, 20.0
_REPORTS_REPEAT = 180.0
"""After so many seconds everything is reported again, for what the portal may have lost. Among two hundred hosts that
is 25 kB, so meanwhile an empty report is the sign of life."""
_DOCUMENTS = "/corral/v1/documents/"

ApiHandler = Callable[[dict[str, str]], Awaitable[Any]]


class AgentApi:
    """The paths under /corral/v1/."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        watch: EventWatcher,
        checks: CheckRunner,
        documents: HostDocuments,
        *,
        name: str = "",
        read_only: bool,
    ) -> None:
        self._engine, self._journal, self._watch = engine, journal, watch
        self._checks, self._documents = checks, documents
        self._name = name
        self._read_only = read_only
        self._handlers: dict[str, ApiHandler] = {
            "hello": self._hello,
            "journal": self._events,
            "containers/stats": self._containers,
            "machine": self._machine,
        }

    async def __call__(self, url_path: str, query: str, sink: Sink) -> None:
        """Answer one GET."""
        name = url_path.removeprefix("/corral/v1/")
        if name == "stats":
            await self._stream_stats(sink)
        elif name == "checks":
            await self._stream_checks(sink)
        elif name == "documents":
            await self._stream_reports(sink)
        elif name not in self._handlers:
            await responses.send_json(sink, 404, {"message": f"This agent ({VERSION}) has no {url_path}."})
        else:
            found = await self._run_handler(name, {key: values[-1] for key, values in parse_qs(query).items()})
            await responses.send_json(sink, *found)

    async def put(self, url_path: str, document: object, sink: Sink) -> None:
        """Take a document that the portal pushes: checks to be made, or another subject's, by its name."""
        try:
            if url_path == "/corral/v1/checks":
                self._checks.apply(*parse_document(document))
                version = self._checks.version
            else:
                version = self._documents.put(url_path.removeprefix(_DOCUMENTS), document)
        except KeyError:
            await responses.send_json(sink, 404, {"message": f"This agent ({VERSION}) takes no {url_path}."})
        except (BadDocument, DocumentRefused) as error:
            await responses.send_json(sink, 400, {"message": f"The document is refused: {error}."})
        else:
            await responses.send_json(sink, 200, {"version": version})

    async def _run_handler(self, name: str, query: dict[str, str]) -> tuple[int, Any]:
        try:
            return 200, await self._handlers[name](query)
        except ValueError:
            return 400, {"message": "after and limit must be numbers."}
        except OSError as error:
            return 500, {"message": f"The host's own counters cannot be read: {error.strerror or error}."}

    async def _hello(self, _: dict[str, str]) -> Any:
        return {
            "agent": VERSION,
            "clock": time.time(),
            "hostname": self._name or socket.gethostname(),
            "engine": bool(self._watch.engine_up),
            "simulated": self._engine.simulated,
            "journal": {"first": self._journal.first, "last": self._journal.last},
            "readOnly": self._read_only,
            "checks": not self._read_only,
            "checkCount": self._checks.count,
            "documents": [] if self._read_only else self._documents.names,
            "documentDigests": {} if self._read_only else self._documents.digests,
        }

    async def _events(self, query: dict[str, str]) -> Any:
        after, limit = int(query.get("after", 0)), int(query.get("limit", _MAX_EVENTS))
        found = self._journal.after(after, min(max(limit, 1), _MAX_EVENTS))
        return {"events": found, "first": self._journal.first, "last": self._journal.last}

    async def _containers(self, query: dict[str, str]) -> Any:
        found = {key: asdict(sample) for key, sample in self._engine.sample_containers().items()}
        return found | ({"machine": _machine_counters(self._engine.machine())} if query.get("machine") == "1" else {})

    async def _machine(self, query: dict[str, str]) -> Any:
        """The facts of this machine. With `engine=1` the engine's /info too, fetched anyway; empty while it is away."""
        try:
            info = await get_json(self._engine, "/info")
        except EngineUnreachable:
            info = {}
        return self._engine.facts(info) | ({"engine": info} if query.get("engine") == "1" else {})

    async def _stream_stats(self, sink: Sink) -> None:
        """One sample a second until the client leaves."""
        sink.write(responses.encode_head(200, "Content-Type: application/json", "Transfer-Encoding: chunked"))
        while True:
            line = json.dumps(_machine_counters(self._engine.machine())).encode() + b"\n"
            sink.write(b"%x\r\n%b\r\n" % (len(line), line))
            await sink.drain()
            await asyncio.sleep(_SAMPLE_INTERVAL)

    async def _stream_checks(self, sink: Sink) -> None:
        """The state of every check, and then, a line at a time, of those that have changed."""
        sink.write(responses.encode_head(200, "Content-Type: application/json", "Transfer-Encoding: chunked"))
        sent = 0
        while True:
            number = self._checks.number
            for states in _in_lines(self._checks.states(sent)):
                line = json.dumps({"version": self._checks.version, "states": states}).encode() + b"\n"
                sink.write(b"%x\r\n%b\r\n" % (len(line), line))
                await sink.drain()
            sent = max(number, 1)
            await asyncio.sleep(_CHECKS_BATCH)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECKS_QUIET):
                    await self._checks.wait_for_change(number)

    async def _stream_reports(self, sink: Sink) -> None:
        """Which documents are applied and how it goes: a line at once, and one whenever something has changed."""
        sink.write(responses.encode_head(200, "Content-Type: application/json", "Transfer-Encoding: chunked"))
        reported, reported_at = -1, 0.0
        while True:
            number, now = self._documents.number, time.monotonic()
            is_due = number != reported or now - reported_at >= _REPORTS_REPEAT
            if is_due:
                reported, reported_at = number, now
            line = json.dumps(self._documents.report() if is_due else {}).encode() + b"\n"
            sink.write(b"%x\r\n%b\r\n" % (len(line), line))
            await sink.drain()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REPORTS_QUIET):
                    await self._documents.wait_for_change(number)
            await asyncio.sleep(_REPORTS_BATCH)


def _in_lines(states: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The states in portions that the portal takes as a line; an empty one when there are none, as a sign of life."""
    keys = list(states)
    for start in range(0, max(len(keys), 1), _CHECKS_A_LINE):
        yield {key: states[key] for key in keys[start : start + _CHECKS_A_LINE]}


def _machine_counters(sample: Sample) -> dict[str, Any]:
    found = asdict(sample)
    del found["pids"]
    return found
