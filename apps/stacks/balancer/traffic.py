"""What passes through a balancer now, rule by rule: read from its containers once for all who watch."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from uuid import UUID

from apps.drivers.base import Driver, EngineError
from apps.hosts.selectors import driver_of
from apps.stacks.balancer import haproxy
from apps.stacks.balancer.config import BalancerConfig
from apps.stacks.balancer.process import HaproxyCounters, HaproxyProcess
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
class BalancerTraffic:
    """All rules of a balancer in order, at the time `at` (of a clock that only goes forward), and what went wrong."""

    at: float = 0.0
    rules: tuple[RuleTraffic, ...] = ()
    problems: tuple[str, ...] = ()


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
    rules = rules_traffic(balancer_config(row), processes)
    return BalancerTraffic(now, with_rates(rules, now, before), tuple(sorted(set(problems))))


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
            counted = _sum(processes, backend_name(listener, rule.backend))
            traffic = RuleTraffic(rule.port, rule.host, rule.path, counted.sessions, counted.requests, counted.errors)
            found.append(replace(traffic, milliseconds=counted.total_time or counted.response_time))
    return tuple(found)


def _sum(processes: Sequence[HaproxyProcess], section: str) -> HaproxyCounters:
    whole = HaproxyCounters()
    for process in processes:
        for worker in process.workers:
            whole += worker.counters.get((section, _BACKEND), HaproxyCounters())
    return whole


def with_rates(rules: Sequence[RuleTraffic], now: float, before: BalancerTraffic | None) -> tuple[RuleTraffic, ...]:
    """The rules with their requests a second since the reading before; counters begin anew with each reload. Pure."""
    if before is None or now <= before.at:
        return tuple(rules)
    known = {each.key: each.requests for each in before.rules}
    return tuple(
        replace(each, per_second=max(0, each.requests - known.get(each.key, each.requests)) / (now - before.at))
        for each in rules
    )
