"""CPU and memory of old and new containers, from the samples that are taken every minute of everything that runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from apps.containers.models import Container
from apps.hosts.stats.history import read_cores_and_memory
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.verdict.groups import BEFORE, Groups
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.signals import Level

# So many of each side: enough to see a difference, and a bound on what a look costs however large the service is.
MOST_MEASURED = 8
# What a process does while it starts says nothing about it; a point is the mean of the minute before it.
WARM_UP = timedelta(seconds=90)
RECENT = timedelta(minutes=3)  # what is older says nothing about now
LEAST_CORES, LEAST_MEMORY = 0.05, 32 * 1024 * 1024  # smaller differences matter to nobody

Known = Mapping[int, Sequence[tuple[datetime, float, float]]]


def usage_levels(observation: UpgradeObservation, groups: Groups, now: datetime) -> tuple[Level, Level]:
    """The processors that are used, and the memory."""
    old, new = _measured(groups.old), _measured(groups.new)
    known = read_cores_and_memory([each.pk for each in (*old, *new)], observation.started - BEFORE)
    began = observation.started
    before = [(cpu, memory) for each in old for at, cpu, memory in known.get(each.pk, ()) if at < began]
    beside = [(cpu, memory) for each in old for at, cpu, memory in known.get(each.pk, ()) if at >= began]
    since = [
        (cpu, memory)
        for each in new
        for at, cpu, memory in known.get(each.pk, ())
        if each.first_running is not None and each.first_running + WARM_UP <= at <= now
    ]
    cpu, memory = ([_column(group, at) for group in (before, beside, since)] for at in (0, 1))
    cores, held = (tuple(_latest(part, known, now, at) for part in (old, new)) for at in (0, 1))
    return (
        Level("cpu", "cores", cpu[0], cpu[1], cpu[2], least=LEAST_CORES, now=(cores[0], cores[1])),
        Level("memory", "bytes", memory[0], memory[1], memory[2], least=LEAST_MEMORY, now=(held[0], held[1])),
    )


def _latest(containers: Sequence[Container], known: Known, now: datetime, at: int) -> float | None:
    """The median of what each of them was last measured to use."""
    last = [points[-1] for each in containers if (points := known.get(each.pk)) and now - points[-1][0] <= RECENT]
    return median(point[1] if at == 0 else point[2] for point in last) if last else None


def _column(points: Sequence[tuple[float, float]], at: int) -> list[float]:
    return [point[at] for point in points]


def _measured(containers: Sequence[Container]) -> list[Container]:
    """Some of the containers that do the service's own work."""
    return [each for each in containers if each.launch_name in {"", PRIMARY}][:MOST_MEASURED]
