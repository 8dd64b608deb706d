"""The runs of scheduled services, step by step: what is due, what goes on, what has ended, what is kept.

Whatever is done here is done in one transaction: a worker that is killed has done all of it or nothing, and the next
reconcile finds in the rows themselves how far the schedule has come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers.launch.kind_labels import RUN_LABEL
from apps.containers.launch.values import RestartPolicy
from apps.containers.models import Container
from apps.containers.services import build_container, requested_host
from apps.control.models import Operation
from apps.control.services import create_all
from apps.core.result import ReconcileResult
from apps.core.texts import labeled
from apps.environments.actor import SYSTEM
from apps.stacks.health import DEGRADED, HEALTHY, UNKNOWN
from apps.stacks.models import Service, ServiceRun
from apps.stacks.rollout import request_if_allowed
from apps.stacks.run_plan import (
    BAD_ENDS,
    BY_HAND,
    FAILED,
    LIVE,
    NEVER_RAN,
    REPLACED,
    RUNNING,
    START_DEADLINE,
    STARTING,
    STOPPED,
    STOPPING,
    SUCCEEDED,
    TIMED_OUT,
    WAITING,
    WITH_CONTAINER,
    NewRun,
    is_replaced,
    plan_due,
)
from apps.stacks.schedule import Schedule, since_of
from apps.stacks.sidekicks import PRIMARY
from apps.stacks.unit_steps import unit_tags
from apps.stacks.updates.pins import with_pin

RUNS = "runs"  # in the status of a service that is scheduled, or was until now
MAX_ENTRIES = 100  # of the history of one service
RECHECK = timedelta(seconds=5)  # while a run is being stopped, or waits for a host

_ENDS = {SUCCEEDED: "succeeded", FAILED: "failed", TIMED_OUT: "took too long and was stopped"}


@dataclass(frozen=True, slots=True)
class RunsOutcome:
    """How the runs of a service are: nothing about one without a schedule."""

    status: dict[str, Any] = field(default_factory=dict)
    is_live: bool = False
    health: str = HEALTHY
    message: str = ""
    next_at: datetime | None = None


def advance_runs(row: Service, operation: Operation | None) -> RunsOutcome:
    """Take the next steps of the service's runs."""
    if not row.schedule and RUNS not in row.status:
        return RunsOutcome()
    try:
        with transaction.atomic():
            return _RunSteps(row, operation, timezone.now()).take()
    except IntegrityError:  # a reconcile whose lease ran out did the same in the same moment
        return RunsOutcome(status={RUNS: row.status.get(RUNS) or {}}, next_at=timezone.now() + RECHECK)


def with_runs(row: Service, result: ReconcileResult, runs: RunsOutcome) -> ReconcileResult:
    """The result of a service with what its runs say."""
    if row.removal_requested or not (runs.status or runs.is_live):
        return result
    status = {**(result.status or {}), **runs.status, "running": int(runs.is_live)}
    waits = [] if result.requeue_after is None else [result.requeue_after]
    if runs.next_at is not None:
        waits.append(max(0.1, (runs.next_at - timezone.now()).total_seconds()))
    result = replace(result, status=status, requeue_after=min(waits, default=None))
    if row.desired == "active":
        return replace(result, status={**status, "health": runs.health}, message=result.message or runs.message)
    if row.desired == "inactive" and runs.is_live:
        return replace(result, state=row.transition_state or "deactivating", message="Stopping the run that goes on")
    return result


class _RunSteps:
    """The entries of one service, read once, and kept up to date while steps are taken."""

    def __init__(self, row: Service, operation: Operation | None, now: datetime) -> None:
        self.row, self.operation, self.now = row, operation, now
        self.schedule: Schedule | None = row.timetable
        found = ServiceRun.objects.filter(service=row).select_related("container__host")
        self.entries = list(found.defer("container__placement", "container__host__tls", "container__host__info"))

    def take(self) -> RunsOutcome:
        """Observe what goes on, then enter what is due, stop and start what is to be, and forget what is too old."""
        for run in self._with_container():
            self._observe(run)
        if self.schedule is not None and self.row.desired == "active":
            self._enter_due(self.schedule)
            self._stop_late(self.schedule)
            self._start_waiting()
        else:
            self._stop_all()
        self._prune()
        return self._outcome()

    def _with_container(self) -> list[ServiceRun]:
        return [run for run in self.entries if run.state in WITH_CONTAINER]

    def _waiting(self) -> list[ServiceRun]:
        return [run for run in self.entries if run.state == WAITING]

    def _observe(self, run: ServiceRun) -> None:
        """What has become of its container."""
        container = run.container
        if container is None or container.removal_requested or container.removed is not None:
            _end(run, run.ending or FAILED, self.now, "Its container was removed.")
            return
        seen = container.engine_state
        run.started_at = parse_datetime(str(seen.get("started_at") or "")) or run.started_at
        if container.display_state == "stopped":
            self._end_of_container(run, container)
        elif container.display_state == "error" and (container.host_id or self._waits_too_long(run)):
            _end(run, FAILED, self.now, container.message)
            if not container.external_id:  # there is no log to keep, and it must not start later on
                request_if_allowed(container, "remove", self.operation)
        elif run.state == STARTING and container.display_state in {"running", "paused"}:
            _save(run, state=RUNNING)

    def _waits_too_long(self, run: ServiceRun) -> bool:
        return self.now - run.created > START_DEADLINE

    def _end_of_container(self, run: ServiceRun, container: Container) -> None:
        seen = container.engine_state
        ended = parse_datetime(str(seen.get("finished_at") or "")) or self.now
        # Engines were seen to end what ends at once a millisecond before it began.
        ended = max(ended, run.started_at or ended)
        code = seen.get("exit_code") if run.started_at is not None else None
        run.exit_code = code
        by_hand = STOPPED if container.desired == "stopped" else ""
        natural = SUCCEEDED if code == 0 else FAILED
        message = "" if natural == SUCCEEDED else container.message
        _end(run, run.ending or by_hand or natural, ended, message)

    def _enter_due(self, schedule: Schedule) -> None:
        by_clock = [run.due_at for run in self.entries if run.trigger != BY_HAND]
        due = schedule.due_between(max([since_of(self.row.schedule), *by_clock]), self.now)
        is_busy, is_one_waiting = bool(self._with_container()), bool(self._waiting())
        for new in plan_due(schedule, due, self.now, is_busy=is_busy, is_one_waiting=is_one_waiting):
            self._enter(new)

    def _enter(self, new: NewRun) -> None:
        """A new entry; due times without a run are counted with those just before them."""
        newest = max(self.entries, key=lambda run: run.due_at, default=None)
        if newest is not None and new.state in NEVER_RAN and newest.state == new.state:
            _save(newest, due_at=new.due, count=newest.count + new.count)
            return
        run = ServiceRun(
            service=self.row,
            due_at=new.due,
            first_due_at=new.first_due,
            count=new.count,
            trigger=new.trigger,
            state=new.state,
            created=self.now,
        )
        run.save(force_insert=True)
        self.entries.insert(0, run)

    def _stop_late(self, schedule: Schedule) -> None:
        for run in self._with_container():
            took = self.now - (run.started_at or self.now)
            if schedule.limit is not None and run.started_at is not None and took >= schedule.limit:
                self._stop(run, TIMED_OUT)
            elif is_replaced(schedule, is_one_waiting=bool(self._waiting())):
                self._stop(run, REPLACED)

    def _start_waiting(self) -> None:
        """The oldest one that waits, as soon as nothing else goes on."""
        waiting = sorted(self._waiting(), key=lambda run: run.due_at)
        if not waiting or self._with_container():
            return
        run = waiting[0]
        # Whoever sets the state starts it: of two workers one finds it set.
        if not ServiceRun.objects.filter(pk=run.pk, state=WAITING).update(state=STARTING):
            return
        container = self._build_container(run)
        create_all([container], actor=SYSTEM, parent=self.operation)
        _save(run, state=STARTING, container=container, revision=self.row.current_version)

    def _build_container(self, run: ServiceRun) -> Container:
        row, unit = self.row, str(uuid4())
        config = with_pin(row.config, row.image_pins)
        config = replace(config, restart_policy=RestartPolicy(name="no"), start_on_create=True)
        return build_container(
            environment=row.environment,
            config=config,
            name=f"{row.stack.name}_{row.name}_{run.due_at:%Y%m%d-%H%M%S}",
            spread_key=str(row.uuid),
            requested_host=requested_host(config, row.environment_id),
            deployment_unit=unit,
            launch_name=PRIMARY,
            tags={**unit_tags(row, unit, PRIMARY, row.current_version), RUN_LABEL: str(run.pk)},
        )

    def _stop_all(self) -> None:
        """The service is stopped or removed, or its schedule was: nothing starts, and what goes on is stopped."""
        for run in self._waiting():
            _end(run, STOPPED, self.now, "The service was stopped before it could start.")
        for run in self._with_container():
            self._stop(run, STOPPED)
        if self.row.removal_requested:
            mine = Container.all_objects.filter(spread_key=str(self.row.uuid), removed=None, keep_running=False)
            for container in mine.exclude(desired="removed"):
                request_if_allowed(container, "remove", self.operation)

    def _stop(self, run: ServiceRun, ending: str) -> None:
        if run.state != STOPPING:
            _save(run, state=STOPPING, ending=ending)
        container = run.container
        if container is not None and container.desired == "running":
            # One that has no host yet, or failed, cannot be stopped; there is nothing of it anywhere.
            action = "stop" if container.external_id or container.host_id else "remove"
            request_if_allowed(container, action, self.operation)

    def _prune(self) -> None:
        """Remove the containers of old runs, and forget entries that are older still."""
        kept = self.schedule.keep_runs if self.schedule is not None else 0
        ended = [run for run in self.entries if run.state not in LIVE and run.container is not None]
        for run in ended[kept:]:
            request_if_allowed(run.container, "remove", self.operation)
            _save(run, container=None)
        # The last one by the clock says how far the schedule has come, and stays.
        last = next((run for run in self.entries if run.trigger != BY_HAND), None)
        old = [run for run in self.entries[MAX_ENTRIES:] if run.state not in LIVE and run is not last]
        if old:
            ServiceRun.objects.filter(pk__in=[run.pk for run in old]).delete()

    def _outcome(self) -> RunsOutcome:
        live = self._with_container()
        if self.schedule is None:
            return RunsOutcome(is_live=bool(live), next_at=self._next_step(live), status={RUNS: {}} if live else {})
        last = last_end(self.entries)
        upcoming = self.schedule.next_due(self.now) if self.row.desired == "active" else None
        health, message = _health(live, last)
        known = {"last": last.state if last else None, "next": upcoming.isoformat() if upcoming else None}
        times = [each for each in (upcoming, self._next_step(live)) if each is not None]
        return RunsOutcome({RUNS: known}, bool(live), health, message, min(times, default=None))

    def _next_step(self, live: Sequence[ServiceRun]) -> datetime | None:
        """When to look again at what goes on: events say when it ends, and nobody says when it takes too long."""
        times = [self.now + RECHECK for run in live if run.state != RUNNING]
        limit = self.schedule.limit if self.schedule is not None else None
        times += [run.started_at + limit for run in live if limit is not None and run.started_at is not None]
        return min(times, default=None)


def _save(run: ServiceRun, **columns: Any) -> None:
    for name, value in columns.items():
        setattr(run, name, value)
    run.save(update_fields=[*columns, "started_at", "exit_code"])


def _end(run: ServiceRun, state: str, at: datetime, message: str) -> None:
    _save(run, state=state, ended_at=at, message=message[:500])


def last_end(entries: Iterable[ServiceRun]) -> ServiceRun | None:
    """The last run that came to an end of its own, or took too long; those that people stopped say nothing."""
    return next((run for run in entries if run.state in {SUCCEEDED, *BAD_ENDS}), None)


def _health(live: Sequence[ServiceRun], last: ServiceRun | None) -> tuple[str, str]:
    """How the service is, and why: as its last run was, unless nobody can say how the present one is."""
    for run in live:
        container = run.container
        if container is not None and container.host is not None and container.host.lost_at is not None:
            return UNKNOWN, f"{container.host}, where its run goes on, does not answer"
        if container is not None and container.fault:
            return DEGRADED, labeled(container.name, container.message)
    if last is None or last.state == SUCCEEDED:
        return HEALTHY, ""
    code = f" with exit code {last.exit_code}" if last.exit_code is not None and last.state == FAILED else ""
    reason = f": {last.message}" if last.message and not code else ""
    return DEGRADED, f"The run of {last.due_at:%Y-%m-%d %H:%M} UTC {_ENDS[last.state]}{code}{reason}"
