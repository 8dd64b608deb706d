"""Replacing unhealthy containers of a service: which ones now, and which later, so that it never becomes a storm."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.models import Container
from apps.control.models import Operation
from apps.core.result import ReconcileResult
from apps.stacks.models import Service, Slot
from apps.stacks.rollout import request_if_allowed, revision_of

RECREATED = "recreated"  # in the service's status: by slot number, how many times in a row, and when last
FIRST_DELAY, MAX_DELAY = 10.0, 300.0
CALM_SECONDS = 60.0  # healthy for so long after its delay: the next failure is a first one again
OTHER_HOST_AFTER = 2  # times on the same host; then it may be the host's fault


@dataclass(frozen=True, slots=True)
class Attempts:
    """How many times in a row a slot's container was recreated, and when last."""

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
class CheckedSlot:
    """A slot as the decision sees it: how its container is, and what its check says is to be done about that."""

    number: int
    health: str
    strategy: str = "none"
    quorum: int = 0
    attempts: Attempts = Attempts()


def plan_recreation(slots: Sequence[CheckedSlot], now: datetime) -> tuple[list[int], datetime | None]:
    """The slots whose containers are to be recreated now, and when to look again for those that are to wait. Pure."""
    healthy = sum(slot.health == "healthy" for slot in slots)
    wanted = [slot for slot in slots if slot.health == "unhealthy" and _may_recreate(slot, healthy)]
    due = [slot.number for slot in wanted if slot.attempts.due is None or slot.attempts.due <= now]
    later = [slot.attempts.due for slot in wanted if slot.attempts.due is not None and slot.attempts.due > now]
    return due, min(later, default=None)


def _may_recreate(slot: CheckedSlot, healthy: int) -> bool:
    return slot.strategy == "recreate" or (slot.strategy == "recreateOnQuorum" and healthy >= slot.quorum)


def attempts_of(row: Service) -> dict[int, Attempts]:
    """What is known of earlier times, by slot number."""
    found = (row.status or {}).get(RECREATED) or {}
    return {int(number): Attempts(int(count), parse_datetime(at)) for number, (count, at) in found.items()}


def recreate_unhealthy(row: Service, slots: Iterable[Slot], operation: Operation | None) -> datetime | None:
    """Request the removal of what is to be recreated, so that the plan fills its slot; return when the next is due.

    The unhealthy one goes first: it does no work, and a new one may need its ports.
    """
    now, attempts = timezone.now(), attempts_of(row)
    by_number = {slot.number: slot for slot in slots if slot.container is not None}
    checked = [_checked(slot, attempts.get(slot.number, Attempts())) for slot in by_number.values()]
    numbers, due = plan_recreation(checked, now)
    for slot in checked:
        if slot.number in numbers:
            container = by_number[slot.number].container
            request_if_allowed(container, "remove", operation)
            if container is not None and container.removal_requested:
                attempts[slot.number] = Attempts(slot.attempts.count + 1, now)
        elif slot.health == "healthy" and _is_calm(slot.attempts, now):
            attempts.pop(slot.number, None)
    kept = {str(key): (each.count, each.at.isoformat()) for key, each in attempts.items() if each.at}
    row.status = {**row.status, RECREATED: kept}
    return due


def _checked(slot: Slot, attempts: Attempts) -> CheckedSlot:
    container = slot.container
    if container is None or container.display_state != "running" or container.removal_requested or slot.successor:
        return CheckedSlot(slot.number, "")
    check: Mapping[str, object] = container.network_check or {}
    quorum = check.get("recreateOnQuorumStrategyConfig")
    return CheckedSlot(
        slot.number,
        container.health,
        strategy=str(check.get("strategy", "none")),
        quorum=int(quorum["quorum"]) if isinstance(quorum, dict) else 0,
        attempts=attempts,
    )


def _is_calm(attempts: Attempts, now: datetime) -> bool:
    return attempts.due is None or attempts.due + timedelta(seconds=CALM_SECONDS) <= now


def stays_on_host(row: Service, number: int, previous: Container | None) -> bool:
    """Whether the successor of an unhealthy container may go to the same host: only the first times."""
    is_recreated = previous is not None and previous.health == "unhealthy" and previous.network_check is not None
    return is_recreated and attempts_of(row).get(number, Attempts()).count < OTHER_HOST_AFTER


def unready(row: Service, slots: Iterable[Slot]) -> int:
    """How many containers of the service's revision run without being healthy: the next batch waits for them."""
    return sum(
        slot.container is not None
        and revision_of(slot.container) == row.current_version
        and slot.container.display_state == "running"
        and not slot.container.removal_requested
        and slot.container.health not in {"", "healthy"}
        for slot in slots
    )


def with_next_recreation(result: ReconcileResult, row: Service, due: datetime | None) -> ReconcileResult:
    """The result of a service with its attempts, due again when the next unhealthy container may be recreated."""
    if result.status is not None:
        result = replace(result, status={**result.status, RECREATED: row.status.get(RECREATED) or {}})
    if due is None:
        return result
    left = max(0.5, (due - timezone.now()).total_seconds())
    text = f"{result.message} It is recreated in {left:.0f} s.".strip()
    return replace(result, message=text, requeue_after=min(left, result.requeue_after or left))
