"""What passes through a balancer now, by rule and by server: read from its containers once for all who watch."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from apps.drivers.base import Driver, EngineError
from apps.hosts.selectors import driver_of
from apps.stacks.balancer import haproxy
from apps.stacks.balancer.config import BalancerConfig
from apps.stacks.balancer.process import HaproxyCounters, HaproxyProcess
from apps.stacks.balancer.quoting import section_name
from apps.stacks.balancer.render import backend_name
from apps.stacks.balancer.selectors import balancer_config
from apps.stacks.models import Service, Slot

SHARED_SECONDS = 1.5  # who looks within this time after another sees the same
MAX_KEPT = 256
_AT_ONCE = 4
_BACKEND = "BACKEND"


@dataclass(frozen=True, slots=True)
class RuleTraffic:
    """Of one rule: what is open, and what there was since the configuration was loaded; times are milliseconds.

    `per_second` is None until it was looked at twice.
    """

    port: int
    host: str
    path: str
    open: int = 0
    requests: int = 0
    errors: int = 0
    milliseconds: int = 0
    per_second: float | None = None

    @property
    def key(self) -> tuple[int, str, str]:
        """Which rule it is."""
        return self.port, self.host, self.path


@dataclass(frozen=True, slots=True)
class ServerTraffic:
    """The same of one server, in all rules that lead to it; `status` is what HAProxy's checks say of it: UP, DOWN."""

    name: str
    address: str
    port: int
    status: str = ""
    open: int = 0
    requests: int = 0
    errors: int = 0
    milliseconds: int = 0
    per_second: float | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """Which server it is."""
        return self.name, self.address, self.port

    @property
    def is_up(self) -> bool:
        """Whether it gets requests, as far as is known."""
        return not self.status or self.status.startswith(("UP", "no check"))


Traffic = TypeVar("Traffic", RuleTraffic, ServerTraffic)


@dataclass(frozen=True, slots=True)
class BalancerTraffic:
    """All rules of a balancer in order and all servers by name, and what went wrong.

    `at` is of a clock that only goes forward.
    """

    at: float = 0.0
    rules: tuple[RuleTraffic, ...] = ()
    problems: tuple[str, ...] = ()
    servers: tuple[ServerTraffic, ...] = ()


@dataclass
class _Kept:
    """The last reading of each balancer, and a lock so that only one thread reads it."""

    readings: dict[UUID, BalancerTraffic] = field(default_factory=dict)
    locks: dict[UUID, threading.Lock] = field(default_factory=dict)

    def lock(self, key: UUID) -> threading.Lock:
        """The lock of one balancer; those that nobody has looked at for long are forgotten."""
        while len(self.readings) > MAX_KEPT:
            oldest = min(self.readings, key=lambda each: self.readings[each].at)
            self.readings.pop(oldest)
            self.locks.pop(oldest, None)
        return self.locks.setdefault(key, threading.Lock())


_kept = _Kept()


def last_traffic(row: Service) -> BalancerTraffic | None:
    """What was read last, without a call to an engine; None when nobody has looked yet."""
    return _kept.readings.get(row.uuid)


def traffic_of(row: Service) -> BalancerTraffic:
    """What passes now; whoever looks at the same moment shares one reading."""
    with _kept.lock(row.uuid):
        before = _kept.readings.get(row.uuid)
        if before is not None and time.monotonic() - before.at < SHARED_SECONDS:
            return before
        found = _read(row, before)
        _kept.readings[row.uuid] = found
        return found


def _read(row: Service, before: BalancerTraffic | None) -> BalancerTraffic:
    processes, problems = list[HaproxyProcess](), list[str]()
    engines = _engines(row, problems)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for found in pool.map(_read_one, engines):
            if isinstance(found, str):
                problems.append(found)
            else:
                processes.append(found)
    now = time.monotonic()
    config, seconds = balancer_config(row), now - before.at if before is not None else 0.0
    known_rules, known_servers = (before.rules, before.servers) if before is not None else ((), ())
    return BalancerTraffic(
        now,
        with_rates(rules_traffic(config, processes), known_rules, seconds),
        tuple(sorted(set(problems))),
        with_rates(servers_traffic(config, processes), known_servers, seconds),
    )


def _engines(row: Service, problems: list[str]) -> list[tuple[Driver, str]]:
    """Where the balancer's containers run."""
    found = []
    for slot in Slot.objects.filter(service=row).select_related("container__host"):
        container = slot.container
        if container is None or container.host is None or container.display_state != "running":
            continue
        try:
            found.append((driver_of(container.host), container.external_id))
        except EngineError as error:
            problems.append(str(error))
    return found


def _read_one(place: tuple[Driver, str]) -> HaproxyProcess | str:
    try:
        return haproxy.read_process(*place)
    except EngineError as error:
        return str(error)


def rules_traffic(config: BalancerConfig, processes: Sequence[HaproxyProcess]) -> tuple[RuleTraffic, ...]:
    """The counters of all containers and workers together, by rule; pure."""
    found = []
    for listener in config.listeners:
        for rule in config.rules_of(listener):
            counted = _sum(processes, backend_name(listener, rule.backend), _BACKEND)
            traffic = RuleTraffic(rule.port, rule.host, rule.path, counted.sessions, counted.requests, counted.errors)
            found.append(replace(traffic, milliseconds=counted.total_time or counted.response_time))
    return tuple(found)


def servers_traffic(config: BalancerConfig, processes: Sequence[HaproxyProcess]) -> tuple[ServerTraffic, ...]:
    """The counters of all containers and workers together, by server; pure."""
    places: dict[tuple[str, str, int], dict[tuple[str, str], None]] = {}  # a section serves several listeners
    for listener in config.listeners:
        for rule in config.rules_of(listener):
            section = backend_name(listener, rule.backend)
            for server in config.backend(rule.backend).servers:
                key = (server.name, server.address, server.port)
                places.setdefault(key, {})[section, section_name(server.name)] = None
    return tuple(_server_traffic(key, _sum_all(processes, found)) for key, found in sorted(places.items()))


def _server_traffic(key: tuple[str, str, int], counted: HaproxyCounters) -> ServerTraffic:
    milliseconds = counted.total_time or counted.response_time
    return ServerTraffic(*key, counted.status, counted.sessions, counted.requests, counted.errors, milliseconds)


def _sum_all(processes: Sequence[HaproxyProcess], places: Iterable[tuple[str, str]]) -> HaproxyCounters:
    whole = HaproxyCounters()
    for section, name in places:
        whole += _sum(processes, section, name)
    return whole


def _sum(processes: Sequence[HaproxyProcess], section: str, name: str) -> HaproxyCounters:
    whole = HaproxyCounters()
    for process in processes:
        for worker in reversed(process.workers):  # the newest last, as its state of a server is the one that counts
            whole += worker.counters.get((section, name), HaproxyCounters())
    return whole


def with_rates(now: Sequence[Traffic], before: Sequence[Traffic], seconds: float) -> tuple[Traffic, ...]:
    """Rules or servers with their requests a second since the reading before; counters begin anew with each reload.

    Pure.
    """
    if seconds <= 0:
        return tuple(now)
    known = {each.key: each.requests for each in before}
    return tuple(
        replace(each, per_second=max(0, each.requests - known.get(each.key, each.requests)) / seconds) for each in now
    )
