"""What HAProxy says about itself through its sockets, as values: its workers, servers and counters. Pure."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from apps.stacks.balancer.render import RenderedServer

ServerName = tuple[str, str]  # backend, server

_WORKER = re.compile(r"^@ (\d+) (\d+)", re.MULTILINE)
_FAILED = re.compile(r"\[failed: (\d+)\]")
_STATE_HEAD = "# be_id be_name "
_STATE_FIELDS = 25
_DOWN = "0"


@dataclass(frozen=True, slots=True)
class HaproxyCounters:
    """Of one section or server since its worker began; times are milliseconds, averages of the last 1,024 requests."""

    sessions: int = 0
    requests: int = 0
    errors: int = 0
    response_time: int = 0
    total_time: int = 0
    status: str = ""

    @property
    def is_up(self) -> bool:
        """Of a server: whether it gets requests."""
        return self.status.startswith("UP") or self.status == "no check"

    def __add__(self, other: HaproxyCounters) -> HaproxyCounters:
        newest = other if other.status else self
        return HaproxyCounters(
            self.sessions + other.sessions,
            self.requests + other.requests,
            self.errors + other.errors,
            max(self.response_time, other.response_time),
            max(self.total_time, other.total_time),
            newest.status,
        )


@dataclass(frozen=True, slots=True)
class Worker:
    """One process: the current one has seen no reload, older ones finish what they have."""

    pid: int
    reloads: int
    counters: Mapping[ServerName, HaproxyCounters] = field(default_factory=dict)
    states: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class HaproxyProcess:
    """All workers of one HAProxy, and whether its last reload failed."""

    workers: tuple[Worker, ...] = ()
    has_failed: bool = False

    @property
    def current(self) -> Worker | None:
        """The worker that takes new connections."""
        return min(self.workers, key=lambda each: each.reloads, default=None)

    def sessions(self) -> Counter[str]:
        """How many sessions each server has now, in all workers, by its name."""
        found: Counter[str] = Counter()
        for worker in self.workers:
            for (_section, server), counters in worker.counters.items():
                found[server] += counters.sessions
        return found

    def places(self, servers: Iterable[str]) -> Iterator[tuple[int, str, str]]:
        """Where servers of these names are: worker, backend, server."""
        wanted = set(servers)
        for worker in self.workers:
            for section, server in worker.counters:
                if server in wanted:
                    yield worker.pid, section, server

    def stale(self, servers: Iterable[ServerName]) -> Iterator[tuple[int, str, str]]:
        """The servers of older workers that are none of these: requests on their connections must not go there."""
        kept = set(servers)
        for worker in self.workers:
            for name in worker.counters if worker is not self.current else ():
                if name not in kept and name[1] not in {"FRONTEND", "BACKEND"}:
                    yield worker.pid, *name


def parse_process(text: str) -> HaproxyProcess:
    """Read what the script `READ` of `haproxy.py` prints; what is not understood is left out."""
    head, *pieces = _WORKER.split(text)
    workers = [
        Worker(int(pid), int(reloads), dict(_counters(rest)), tuple(_states(rest)))
        for pid, reloads, rest in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True)
    ]
    failed = _FAILED.search(head)
    return HaproxyProcess(tuple(workers), failed is not None and failed[1] != "0")


def _counters(text: str) -> Iterator[tuple[ServerName, HaproxyCounters]]:
    begin = text.find("# pxname,")
    if begin < 0:
        return
    for row in csv.DictReader(text[begin + 2 :].split("\n\n", maxsplit=1)[0].splitlines()):
        yield (
            (str(row.get("pxname")), str(row.get("svname"))),
            HaproxyCounters(
                _number(row.get("scur")),
                _number(row.get("req_tot") or row.get("stot")),
                sum(_number(row.get(name)) for name in ("econ", "eresp", "hrsp_5xx")),
                _number(row.get("rtime")),
                _number(row.get("ttime")),
                str(row.get("status") or ""),
            ),
        )


def _states(text: str) -> Iterator[str]:
    """The lines of `show servers state`."""
    begin = text.find(_STATE_HEAD)
    for line in text[begin:].splitlines()[1:] if begin >= 0 else ():
        if len(line.split()) == _STATE_FIELDS:
            yield line


def _number(text: str | None) -> int:
    return int(text) if text and text.isdigit() else 0


def server_states(process: HaproxyProcess, servers: Iterable[RenderedServer]) -> str:
    """The state that the next worker begins with: servers keep what they have, new ones are down until checked.

    HAProxy takes a server for well until its first check, and would send requests to what has only just been started.
    """
    current = process.current
    known = {tuple(line.split()[1:4:2]): line for line in (current.states if current else ())}
    lines = ["1", "# be_id be_name srv_id srv_name"]
    for number, server in enumerate(servers, 1):
        line = known.get((server.backend, server.name))
        if line is not None and _is_kept(line.split(), server):
            lines.append(line)
        elif known and server.is_resolved:
            lines.append(_new_server(number, server))
    return "\n".join(lines) + "\n"


def _is_kept(fields: Sequence[str], server: RenderedServer) -> bool:
    """Whether it is the same server still; one that was taken out meanwhile would stay out for ever."""
    return server.address in {fields[4], fields[17]} and fields[6] == "0"


def _new_server(number: int, server: RenderedServer) -> str:
    state = f"{_DOWN} 0 1 1 0 1 0 0 6 0 0 0 - {server.port} - 0 0 - - 0"
    return f"1 {server.backend} {number} {server.name} {server.address} {state}"
