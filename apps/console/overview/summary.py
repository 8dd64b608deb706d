"""What the overview says of each environment: states, health, and the capacity of its hosts; constant queries."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Count
from django.utils import timezone

from apps.console.components.state_badges import StateBadge, tone
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host, StatsHour
from apps.hosts.stats.encoding import decode_points, start_of_hour
from apps.stacks.models import Service, Stack

TONES = ("bad", "warn", "busy", "good", "off")
FRESH = timedelta(minutes=5)
BUSY, ALMOST_FULL = 75, 90  # percent
MEBIBYTE = 1024 * 1024


@dataclass
class Capacity:
    """What hosts have, and what they used when they were measured last (0: not measured lately)."""

    hosts: int = 0
    active: int = 0
    cpus: float = 0
    memory: float = 0  # MiB
    used_cpus: float = 0
    used_memory: float = 0  # MiB
    is_measured: bool = False

    @property
    def cpu_percent(self) -> int:
        """The share of the processors in use."""
        return round(100 * self.used_cpus / self.cpus) if self.cpus else 0

    @property
    def memory_percent(self) -> int:
        """The share of the memory in use."""
        return round(100 * self.used_memory / self.memory) if self.memory else 0

    @property
    def cpu_tone(self) -> str:
        """The tone of the bar."""
        return _load_tone(self.cpu_percent)

    @property
    def memory_tone(self) -> str:
        """The tone of the bar."""
        return _load_tone(self.memory_percent)


def _load_tone(percent: int) -> str:
    return "bad" if percent > ALMOST_FULL else "warn" if percent > BUSY else "good"


@dataclass
class EnvironmentSummary:
    """One environment on the overview."""

    row: Environment
    stacks: int = 0
    services: Counter[str] = field(default_factory=Counter)  # by tone
    containers: Counter[str] = field(default_factory=Counter)  # by tone
    running: int = 0
    hosts: Counter[str] = field(default_factory=Counter)  # by tone
    capacity: Capacity = field(default_factory=Capacity)

    @property
    def tone(self) -> str:
        """The worst of its parts."""
        found = self.services + self.hosts + Counter({"bad": self.containers["bad"]})
        return next((each for each in ("bad", "warn", "busy") if found[each]), "good" if found["good"] else "off")

    @property
    def badge(self) -> StateBadge:
        """Its health in a word."""
        words = {"bad": "unhealthy", "warn": "degraded", "busy": "changing", "good": "healthy", "off": "empty"}
        word = "stopped" if self.tone == "off" and (self.stacks or self.hosts) else words[self.tone]
        return StateBadge(word, self.tone)

    @property
    def container_total(self) -> int:
        """How many containers there are."""
        return self.containers.total()

    @property
    def service_total(self) -> int:
        """How many services there are."""
        return self.services.total()


def summarize(rows: Sequence[Environment]) -> list[EnvironmentSummary]:
    """The environments with what is in them, the worst first."""
    found = {row.pk: EnvironmentSummary(row) for row in rows}
    keys = list(found)
    for key, count in _counts(Stack, keys, "environment"):
        found[key].stacks = count
    for key, state, fault, health, count in _counts(
        Service, keys, "environment", "display_state", "fault", "status__health"
    ):
        found[key].services[_tone(state, fault=fault, health=health)] += count
    for key, state, fault, count in _counts(Container, keys, "environment", "display_state", "fault"):
        found[key].containers[_tone(state, fault=fault)] += count
        found[key].running += count if state == "running" else 0
    _add_hosts(found)
    return sorted(found.values(), key=lambda each: (TONES.index(each.tone), each.row.name.lower()))


def _counts(model: Any, keys: Iterable[int], *columns: str) -> Iterable[tuple[Any, ...]]:
    rows = model.objects.within(keys).filter(removed=None).order_by()
    found: Iterable[tuple[Any, ...]] = rows.values_list(*columns).annotate(count=Count("pk"))
    return found


def _tone(state: str, *, fault: bool, health: Any = None) -> str:
    if fault:
        return "bad"
    return tone(str(health)) if state in {"active", "running"} and health and health != "healthy" else tone(state)


def _add_hosts(found: dict[int, EnvironmentSummary]) -> None:
    """Add the hosts with what they have and use."""
    rows = Host.objects.within(found).filter(removed=None)
    hosts = list(rows.only("environment_id", "display_state", "fault", "info", "state", "lost_at", "seen_at"))
    used = _latest_points([host.pk for host in hosts])
    for host in hosts:
        each = found[host.environment_id]
        each.hosts["bad" if host.fault else tone(host.display_state)] += 1
        capacity, info = each.capacity, host.info or {}
        cpus = float((info.get("cpuInfo") or {}).get("count") or 0)
        capacity.hosts += 1
        capacity.active += host.display_state == "active"
        capacity.cpus += cpus
        capacity.memory += float((info.get("memoryInfo") or {}).get("memTotal") or 0)
        if host.pk in used:
            capacity.is_measured = True
            capacity.used_cpus += cpus * used[host.pk]["cpu"] / 100
            capacity.used_memory += used[host.pk]["memory"] / MEBIBYTE


def _latest_points(hosts: Sequence[int]) -> dict[int, Any]:
    """The newest recorded point of each host that was measured within the last minutes."""
    since = timezone.now() - FRESH
    rows = StatsHour.objects.filter(kind="host", target__in=hosts, hour__gte=start_of_hour(since.timestamp()))
    found: dict[int, Any] = defaultdict(dict)
    for row in rows.order_by("hour").only("target", "hour", "points"):
        points = decode_points(row.points, row.hour)
        if points and points[-1]["at"] >= since.timestamp():
            found[row.target] = points[-1]
    return {key: point for key, point in found.items() if point}
