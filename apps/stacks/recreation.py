"""Replacing unhealthy containers of a service: which ones now, and which later, so that it never becomes a storm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.launch.kind_labels import is_global
from apps.containers.models import Container
from apps.control.models import Operation
from apps.core.result import ReconcileResult
from apps.hosts.fleet import ACCEPTING
from apps.hosts.models import Host
from apps.stacks.models import Service, Slot
from apps.stacks.readiness import ReadyRule, is_ready
from apps.stacks.rollout import request_if_allowed, revision_of
from apps.stacks.unit_steps import ServiceUnits

RECREATED = "recreated"  # in the service's status: by slot number, how many times in a row, and when last
FIRST_DELAY, MAX_DELAY = 10.0, 300.0
CALM_SECONDS = 60.0  # healthy for so long after its delay: the next failure is a first one again
OTHER_HOST_AFTER = 2  # times on the same host; then it may be the host's fault


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many times in a row containers of a slot were recreated, and when last."""

    count: int = 0
    at: datetime | None = None

    @property
    def delay(self) -> float:
        """Seconds from the last time to the next: none before the first, then 10, 20, 40 ... up to five minutes."""
        return min(MAX_DELAY, FIRST_DELAY * 2 ** min(self.count - 1, 10)) if self.count else 0.0

    @property
    def due(self) -> datetime | None:
        """When it may be recreated again; None for at once."""
        return self.at + timedelta(seconds=self.delay) if self.at else None


@dataclass(frozen=True, slots=True)
class CheckedContainer:
    """One container as the decision sees it: how it is, and what its check says is to be done about that.

    `name` is the launch configuration that it is of: a quorum counts its like in the other slots. The attempts are
    those of its slot, whichever container of the deployment unit they were about.
    """

    slot: int
    key: int
    name: str = ""
    health: str = ""
    strategy: str = "none"
    quorum: int = 0
    attempts: Attempts = Attempts()


def plan_recreation(
    checked: Sequence[CheckedContainer], now: datetime
) -> tuple[list[CheckedContainer], datetime | None]:
    """The containers to be recreated now, and when to look again for those that are to wait. Pure."""
    healthy = Counter(each.name for each in checked if each.health == "healthy")
    wanted = [each for each in checked if each.health == "unhealthy" and _may_recreate(each, healthy[each.name])]
    due = [each for each in wanted if each.attempts.due is None or each.attempts.due <= now]
    later = [each.attempts.due for each in wanted if each.attempts.due is not None and each.attempts.due > now]
    return due, min(later, default=None)


def _may_recreate(container: CheckedContainer, healthy: int) -> bool:
    if container.strategy == "recreateOnQuorum":
        return healthy >= container.quorum
    return container.strategy == "recreate"


def attempts_of(row: Service) -> dict[int, Attempts]:
    """What is known of earlier times, by slot number."""
    found = (row.status or {}).get(RECREATED) or {}
    return {int(number): Attempts(int(count), parse_datetime(at)) for number, (count, at) in found.items()}


def recreate_unhealthy(units: ServiceUnits, slots: Sequence[Slot], operation: Operation | None) -> datetime | None:
    """Request the removal of what is to be recreated, so that the plans fill its place; return when the next is due.

    The unhealthy one goes first: it does no work, and a new one may need its ports. Of a deployment unit only the
    unhealthy container is recreated, until the whole unit is tried on another host.
    """
    row, now, attempts = units.row, timezone.now(), attempts_of(units.row)
    by_slot = {slot.number: _members(units, slot) for slot in slots}
    checked = [
        _checked(number, each, attempts.get(number, Attempts()))
        for number, members in by_slot.items()
        for each in members
    ]
    due_now, due_later = plan_recreation(checked, now)
    for number, members in by_slot.items():
        keys = {each.key for each in due_now if each.slot == number}
        before = attempts.pop(number, Attempts())
        after = Attempts(before.count + 1, now)
        if keys and _remove(row, members, keys, after, operation):
            attempts[number] = after
        elif before.count and not _is_calm(before, [each for each in checked if each.slot == number], now):
            attempts[number] = before
    kept = {str(key): (each.count, each.at.isoformat()) for key, each in attempts.items() if key in by_slot and each.at}
    row.status = {**row.status, RECREATED: kept}
    return due_later


def _members(units: ServiceUnits, slot: Slot) -> list[Container]:
    """The containers of the slot's unit, primary first; those of the successor once there is one."""
    successor = slot.successor if slot.successor is not None and not slot.successor.removal_requested else None
    primary = successor or slot.container
    return [] if primary is None else [primary, *units.members_of(primary)]


def _checked(number: int, container: Container, attempts: Attempts) -> CheckedContainer:
    name = container.launch_name
    if container.display_state != "running" or container.removal_requested:
        return CheckedContainer(number, container.pk, name, attempts=attempts)
    check: Mapping[str, object] = container.network_check or {}
    quorum = check.get("recreateOnQuorumStrategyConfig")
    return CheckedContainer(
        number,
        container.pk,
        name,
        container.health,
        strategy=str(check.get("strategy", "none")),
        quorum=int(quorum["quorum"]) if isinstance(quorum, dict) else 0,
        attempts=attempts,
    )


def _remove(
    row: Service, members: Sequence[Container], keys: set[int], attempts: Attempts, operation: Operation | None
) -> bool:
    """Have these containers of a unit removed, or its primary, which takes all along; whether any of it goes."""
    leaving = [each for each in members if each.pk in keys]
    primary = members[0]
    if leaves_host(attempts) and primary not in leaving and _has_another_host(row, primary):
        leaving.append(primary)
    for each in leaving:
        request_if_allowed(each, "remove", operation)
    return any(each.removal_requested for each in leaving)


def _has_another_host(row: Service, primary: Container) -> bool:
    """Whether moving might help: else the other containers of the unit are left in peace."""
    hosts = Host.all_objects.filter(environment=row.environment_id, removed=None, state__in=ACCEPTING)
    return not is_global(row.config) and hosts.exclude(pk=primary.host_id).exists()


def _is_calm(attempts: Attempts, checked: Sequence[CheckedContainer], now: datetime) -> bool:
    """Whether what was recreated has been well for so long that the next failure is another matter."""
    is_well = any(each.health == "healthy" for each in checked) and all(
        each.health in {"", "healthy"} for each in checked
    )
    return is_well and (attempts.due is None or attempts.due + timedelta(seconds=CALM_SECONDS) <= now)


def leaves_host(attempts: Attempts) -> bool:
    """Whether the next container of the slot had better be on another host."""
    return attempts.count >= OTHER_HOST_AFTER


def stays_on_host(row: Service, number: int, previous: Container) -> bool:
    """Whether the successor of an unhealthy container may go to the same host: only the first times."""
    is_recreated = previous.health == "unhealthy" and previous.network_check is not None
    return is_recreated and not leaves_host(attempts_of(row).get(number, Attempts()))


def unit_leaves_host(row: Service, number: int, previous: Container | None) -> bool:
    """Whether a slot's next container begins a new unit, as its predecessor was recreated too often where it is."""
    is_recreated = previous is not None and previous.removal_requested
    return is_recreated and leaves_host(attempts_of(row).get(number, Attempts()))


def unready(units: ServiceUnits, slots: Iterable[Slot], rule: ReadyRule) -> int:
    """How many units that are up to date run without being ready: the next batch of an upgrade waits for them."""
    return sum(
        any(each.display_state == "running" and not is_ready(each, rule) for each in members)
        for members in _current_units(units, slots)
    )


def _current_units(units: ServiceUnits, slots: Iterable[Slot]) -> Iterator[list[Container]]:
    """The units of which every container is of the service's revision; what is outdated is to be replaced anyway."""
    versions = {each.name: each.version for each in units.sidekicks}
    for slot in slots:
        primary = slot.container
        if primary is None or primary.removal_requested or revision_of(primary) != units.row.current_version:
            continue
        sidekicks = units.members_of(primary)
        if all(versions.get(each.launch_name) == revision_of(each) for each in sidekicks):
            yield [primary, *sidekicks]


def with_next_recreation(result: ReconcileResult, row: Service, due: datetime | None) -> ReconcileResult:
    """The result of a service with its attempts, due again when the next unhealthy container may be recreated."""
    if result.status is not None:
        result = replace(result, status={**result.status, RECREATED: row.status.get(RECREATED) or {}})
    if due is None:
        return result
    left = max(0.5, (due - timezone.now()).total_seconds())
    text = f"{result.message} The next unhealthy container is replaced in {left:.0f} s.".strip()
    return replace(result, message=text, requeue_after=min(left, result.requeue_after or left))
