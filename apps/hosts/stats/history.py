"""Statistics of the past: one sample a minute of every host and everything that runs on it, watched or not."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Mod
from django.utils import timezone

from apps.core.defaults import setting_int
from apps.core.errors import Invalid
from apps.drivers.base import EngineError, StatsSample
from apps.hosts.models import Host, StatsHour
from apps.hosts.selectors import driver_of
from apps.hosts.stats.encoding import (
    decode_points,
    decode_sample,
    encode_points,
    encode_sample,
    start_of_hour,
)
from apps.hosts.stats.live import StatsPoint, point_between
from apps.hosts.workloads import workloads

log = logging.getLogger(__name__)

MAX_SAMPLE_GAP = 300.0  # seconds between two samples that still make a point
STAGGER_SECONDS = 50  # hosts take turns within the first seconds of a minute
MOST_HOURS = 24 * 31
MOST_POINTS = 360

MetricName = Literal["cpu", "memory", "net_rx", "net_tx", "disk_read", "disk_write"]


def claim_due_hosts(now: datetime | None = None) -> list[Host]:
    """Claim the hosts that are due for this minute's sample, so that no other process takes it as well."""
    now = now or timezone.now()
    minute = now.replace(second=0, microsecond=0)
    not_sampled = Q(sampled_at=None) | Q(sampled_at__lt=minute)
    rows = Host.all_objects.filter(not_sampled, removed=None, lost_at=None).exclude(desired__in=("removed", "purged"))
    turn = rows.exclude(engine_id="").annotate(turn=Mod("pk", STAGGER_SECONDS)).filter(turn__lte=now.second)
    keys = list(turn.values_list("pk", flat=True))
    if not keys:
        return []
    with transaction.atomic():  # who locks them second finds them sampled
        claimed = list(rows.select_for_update(no_key=True).filter(pk__in=keys))
        Host.all_objects.filter(pk__in=[row.pk for row in claimed]).update(sampled_at=now)
    return claimed


def record_sample(host: Host) -> int:
    """Take one sample of the host and of its containers; return how many were recorded."""
    try:
        found = driver_of(host).measure()
    except EngineError as error:
        log.info("no statistics of host %s: %s", host.pk, error)
        return 0
    keys = workloads.container_ids(host)
    samples = {("container", keys[name]): sample for name, sample in found.containers.items() if name in keys}
    if found.machine is not None:
        samples["host", host.pk] = found.machine
    store_samples(host.environment_id, samples)
    return len(samples)


def store_samples(environment_id: int, samples: Mapping[tuple[str, int], StatsSample]) -> None:
    """Add to each target's hour the point since its previous sample; two queries, however many there are."""
    if not samples:
        return
    hours = {start_of_hour(sample.at - back) for sample in samples.values() for back in (0, 3600)}
    known: dict[tuple[str, int], list[StatsHour]] = {}
    targets = Q(kind="host", target__in=_target_ids(samples, "host")) | Q(
        kind="container", target__in=_target_ids(samples, "container")
    )
    for row in StatsHour.objects.filter(targets, hour__in=hours).order_by("hour"):
        known.setdefault((row.kind, row.target), []).append(row)
    rows = [_with_new_point(environment_id, key, sample, known.get(key, [])) for key, sample in samples.items()]
    StatsHour.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["kind", "target", "hour"], update_fields=["points", "counters"]
    )


def _target_ids(samples: Iterable[tuple[str, int]], kind: str) -> list[int]:
    return [key for name, key in samples if name == kind]


def _with_new_point(environment_id: int, key: tuple[str, int], sample: StatsSample, rows: list[StatsHour]) -> StatsHour:
    """The target's row of this hour with one point more."""
    hour, before = start_of_hour(sample.at), decode_sample(rows[-1].counters) if rows else None
    points = decode_points(rows[-1].points, hour) if rows and rows[-1].hour == hour else []
    if before is not None and 0 < sample.at - before.at <= MAX_SAMPLE_GAP:
        points.append(point_between(before, sample))
    kind, target = key
    return StatsHour(
        environment_id=environment_id,
        kind=kind,
        target=target,
        hour=hour,
        points=encode_points(points, hour),
        counters=encode_sample(sample),
    )


def read_history(row: Any, hours: float, now: datetime | None = None) -> list[StatsPoint]:
    """The points of a host or container in the last `hours`, oldest first; at most a month."""
    since = (now or timezone.now()) - timedelta(hours=min(max(hours, 0.0), MOST_HOURS))
    first = start_of_hour(since.timestamp())
    rows = StatsHour.objects.filter(kind=row.KIND, target=row.pk, hour__gte=first).order_by("hour")
    found = (point for each in rows for point in decode_points(each.points, each.hour))
    return [point for point in found if point["at"] >= since.timestamp()]


def read_cores_and_memory(containers: Iterable[int], since: datetime) -> dict[int, list[tuple[datetime, float, float]]]:
    """The points of several containers since then as time, processors used and bytes of memory; one query."""
    rows = StatsHour.objects.filter(kind="container", target__in=list(containers), hour__gte=since - timedelta(hours=1))
    found: dict[int, list[tuple[datetime, float, float]]] = {}
    for row in rows.order_by("hour"):
        sample = decode_sample(row.counters)
        # Points have percent of the machine, which says little between machines of different sizes.
        cpus = sample.cpus if sample is not None else 1
        for point in decode_points(row.points, row.hour):
            at = datetime.fromtimestamp(point["at"], UTC)
            if at >= since:
                found.setdefault(row.target, []).append((at, point["cpu"] / 100 * cpus, point["memory"]))
    return found


def downsample(points: list[StatsPoint], max_points: int = MOST_POINTS) -> list[StatsPoint]:
    """At most `max_points` points, each the mean of its neighbours, at the time of the last of them."""
    step = -(-len(points) // max_points) or 1
    return [_mean_point(points[at : at + step]) for at in range(0, len(points), step)] if step > 1 else points


def _mean_point(points: list[StatsPoint]) -> StatsPoint:
    def mean(name: MetricName) -> float:
        return round(sum(point[name] for point in points) / len(points), 2)

    return {
        "at": points[-1]["at"],
        "cpu": mean("cpu"),
        "memory": mean("memory"),
        "memory_limit": points[-1]["memory_limit"],
        "net_rx": mean("net_rx"),
        "net_tx": mean("net_tx"),
        "disk_read": mean("disk_read"),
        "disk_write": mean("disk_write"),
    }


def parse_hours(text: str) -> int:
    """The number of hours of history requested, 1 by default. Raises `Invalid`."""
    if not text:
        return 1
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise Invalid("hours", "InvalidFormat", f"{text[:20]!r} is not a whole number of hours.")
    if not 1 <= int(text) <= MOST_HOURS:
        raise Invalid("hours", "MaxLimitExceeded", f"Ask for 1 to {MOST_HOURS} hours.")
    return int(text)


def delete_expired(now: datetime | None = None) -> int:
    """Delete what is older than the setting `retention.stats.hours` (at least a day); return how many rows."""
    hours = max(24, setting_int("retention.stats.hours"))
    old = (now or timezone.now()) - timedelta(hours=hours + 1)
    return int(StatsHour.objects.filter(hour__lt=old).delete()[0])
