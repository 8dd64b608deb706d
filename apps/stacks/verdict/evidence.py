"""What is known of a service's old and new containers, gathered as the values that an upgrade is judged by.

Nearly all of it is kept anyway: restarts and failing checks in the containers' timelines, CPU and memory in the
minute's statistics. So nothing is lost when the portal is away, and looking twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.utils.dateparse import parse_datetime

from apps.containers.endings import RunEnd
from apps.containers.models import CRASH_LOOP, Container, ContainerEvent
from apps.stacks.models import Service
from apps.stacks.verdict.error_lines import error_rate
from apps.stacks.verdict.groups import BEFORE, Groups
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.responses import failed_responses
from apps.stacks.verdict.signals import Containers, EventRate, Events, Evidence
from apps.stacks.verdict.usage import usage_levels

PATIENCE = timedelta(seconds=60)  # how long a new container may fail to start, and ...
GRACE = timedelta(seconds=30)  # ... be unhealthy
_RESTARTS = ("restarted", "recreated", "failed")


def gather(row: Service, observation: UpgradeObservation, groups: Groups, now: datetime) -> Evidence:
    """Everything that is known of the upgrade by now."""
    return Evidence(
        containers=_condition(groups, now),
        rates=(
            _restarts(row, observation, groups, now),
            error_rate(observation, groups),
            *failed_responses(observation, groups),
        ),
        levels=usage_levels(observation, groups, now),
        exits=_exits(groups.new),
    )


def _condition(groups: Groups, now: datetime) -> Containers:
    """How the new containers are; what the old ones do as well is not held against them."""
    there, beside = groups.present, [each for each in groups.old if _is_serving(each)]
    crash_too = any(_crashes(each) for each in beside)
    sick_too = any(each.health == "unhealthy" for each in beside)
    since = _unhealthy_since(there)
    crashing = [_say(each, each.message or "It ends again and again.") for each in there if _crashes(each)]
    sick = [each for each in there if each.health == "unhealthy" and now - since.get(each.pk, now) >= GRACE]
    replaced = [each for each in groups.new if each not in there and each.health == "unhealthy"]
    unhealthy = [_say(each, "Its health check fails.") for each in sick]
    unhealthy += [_say(each, "It was replaced as its health check failed.") for each in replaced if len(replaced) > 1]
    unready = [
        *crashing,
        *unhealthy,
        *(_say(each, each.message or each.display_state) for each in there if _is_unready(each)),
    ]
    return Containers(
        seen=len(there),
        crashing=[] if crash_too else crashing,
        failed=[_say(each, _failure(each)) for each in there if _has_failed(each, now)],
        unhealthy=[] if sick_too else unhealthy,
        unready=unready,
        is_checked=any(each.health for each in there),
    )


def _say(container: Container, what: str) -> str:
    return f"{container.name}: {what}"[:300]


def _is_serving(container: Container) -> bool:
    return container.desired == "running" and container.removed is None


def _crashes(container: Container) -> bool:
    return int(container.engine_state.get("crashes", 0)) >= CRASH_LOOP


def _is_unready(container: Container) -> bool:
    if container.is_finished and not container.has_failed_for_good:
        return False
    return container.display_state != "running" or container.health not in {"", "healthy"}


def _has_failed(container: Container, now: datetime) -> bool:
    """Whether it ended with an error for good, or never ran and nothing hints that it will."""
    never_ran = container.first_running is None and container.fault and now - container.created >= PATIENCE
    return container.has_failed_for_good or never_ran


def _failure(container: Container) -> str:
    code = container.final_exit_code
    return f"It ended with exit code {code}." if code else container.message or "It could not be started."


def _unhealthy_since(containers: Iterable[Container]) -> dict[int, datetime]:
    """When the checks of the unhealthy ones began to fail."""
    keys = [each.pk for each in containers if each.health == "unhealthy"]
    if not keys:
        return {}
    found = ContainerEvent.objects.filter(container__in=keys, kind="unhealthy").order_by("first_at")
    return dict(found.values_list("container", "first_at"))


def _exits(containers: Iterable[Container]) -> Sequence[str]:
    """How the new containers ended last, the most frequent first."""
    ends = (RunEnd.from_status(each.engine_state) for each in containers)
    counts = Counter(end.reason[:100] for end in ends if end is not None)
    return [reason if count == 1 else f"{reason} ({count} containers)" for reason, count in counts.most_common(5)]


def _restarts(row: Service, observation: UpgradeObservation, groups: Groups, now: datetime) -> EventRate:
    """Restarts that nobody asked for, by container time."""
    start = observation.started - BEFORE
    kept = {each.pk for each in groups.old}
    found = ContainerEvent.objects.filter(spread_key=str(row.uuid), kind__in=_RESTARTS, at__gte=start)
    events = [each for each in found.only("container", "count", "first_at", "at") if each.container_id in kept]

    def old(begin: datetime, end: datetime) -> Events:
        count = sum(events_between(each, begin, end) for each in events)
        return Events(count, sum(_seconds_running(each, begin, end) for each in groups.old))

    seconds = sum(_seconds_running(each, observation.started, now) for each in groups.new)
    count = sum(each.restarts for each in groups.new)
    return EventRate("restarts", old(start, observation.started), old(observation.started, now), Events(count, seconds))


def events_between(event: ContainerEvent, begin: datetime, end: datetime) -> int:
    """How many of the things that were counted as one event fell into the time, were they spread evenly."""
    gaps = max(1, event.count - 1)
    step = (event.at - event.first_at) / gaps
    return sum(begin <= event.first_at + at * step < end for at in range(min(event.count, 1000)))


def _seconds_running(container: Container, begin: datetime, end: datetime) -> float:
    """For how much of the time it was there to be restarted."""
    if container.first_running is None:
        return 0.0
    stopped = container.removed or (end if _is_serving(container) else _stopped_at(container) or end)
    return max(0.0, (min(stopped, end) - max(container.first_running, begin)).total_seconds())


def _stopped_at(container: Container) -> datetime | None:
    end = RunEnd.from_status(container.engine_state)
    return parse_datetime(end.at) if end is not None else None
