"""Reconciling containers: find it on the engine, take the next step, inspect it again, report what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.containers import deployment_units, placement
from apps.containers.departure import LEAVING_SINCE, wait_before_stop
from apps.containers.endings import (
    MIN_LIFETIME,
    RunEnd,
    count_crashes,
    crash_message,
    has_ended,
    is_over,
    lifetime,
    seconds_to_settle,
)
from apps.containers.engine import (
    UUID_LABEL,
    PeerNotReady,
    connect_networks,
    create_container,
    give_up_name,
    heal_name,
    is_made_here,
    observed_result,
    track_removing,
    track_starting,
)
from apps.containers.lifecycle import DesiredContainer, Step, crash_restart_delay, next_step
from apps.containers.managed_network import NotYet, ensure_network, note_outcome, reclaim_address
from apps.containers.models import Container
from apps.containers.policy.enforce import enforce_mount_policy, enforce_start_policy
from apps.containers.port_holders import wait_for_port
from apps.containers.published_ports import REFUSED_PORTS, note_removed, reclaim_ports
from apps.containers.pull_waits import await_pull, require_fresh_image
from apps.containers.stuck import ToBeMadeAnew, remedy, remove_stuck, to_be_made_anew_result
from apps.containers.timeline import ANEW, PEER_REPLACED, record_changes
from apps.control.reconcile import extend_lease
from apps.core.result import ReconcileResult
from apps.drivers.base import (
    Driver,
    EngineConflict,
    EngineContainer,
    EngineDown,
    EngineError,
    EngineNotFound,
    EngineStuck,
    ImageMissing,
)
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of

STOP_GRACE = 10
_OF_EARLIER_ATTEMPTS = {"final_exit_code", "pull_failed", LEAVING_SINCE, ANEW, PEER_REPLACED, REFUSED_PORTS}


def reconcile_container(row: Container) -> ReconcileResult:
    """Reconcile one container, and bring up to date which address and which ports of its host it has."""
    result = _reconcile(row)
    note_outcome(row, result)
    note_removed(row, result)
    return result


def _reconcile(row: Container) -> ReconcileResult:
    if row.desired in {"removed", "purged"}:
        return _remove(row)
    notes: list[str] = []
    is_retry = row.host is None and row.state == "error"
    is_new = row.host is None and row.avoid_host_id is None and not row.attempts
    if row.host is None:
        placed = _place(row)
        if isinstance(placed, ReconcileResult):
            return placed
        row.host = placed
        notes.append(f"Placed on {placed}.")
    try:
        result = _take_next_step(row, driver_of(row.host), notes, is_new=is_new)
    except ImageMissing:
        result = await_pull(row, row.host)
    except (EngineDown, NotYet) as reason:
        result = _retry_later(row, reason)
    except EngineError as error:
        result = _refused_result(row, error)
    return replace(result, notes=tuple(notes), is_retry=is_retry)


def _place(row: Container) -> Host | ReconcileResult:
    """The host of one that has none yet."""
    if row.desired == "stopped" and row.keep_running:  # perhaps because no host fits: then it must not wait for one
        return _unmade_result(row)
    return placement.place(row)


def _retry_later(row: Container, reason: Exception) -> ReconcileResult:
    if isinstance(reason, ToBeMadeAnew):
        return to_be_made_anew_result(row, reason)
    if isinstance(reason, NotYet):
        status = {**row.status, **reason.status}
        return ReconcileResult(state=row.display_state, message=str(reason), status=status, requeue_after=1.0)
    return ReconcileResult(state=row.display_state, message=f"{row.host} does not answer: {reason}", requeue_after=2.0)


def _take_next_step(row: Container, engine: Driver, notes: list[str], *, is_new: bool) -> ReconcileResult:
    """The next step; `is_new` is a row for which no earlier reconcile can have created a container."""
    seen = None if is_new else remove_stuck(row, engine, _find(row, engine))
    if seen is not None and row.deployment_unit and not _is_over(row, seen):
        seen = _remove_outdated(row, engine, seen, notes)
    desired = DesiredContainer(
        running=row.desired == "running",
        pending=row.status.get("achieved") != row.generation and not (row.runs_once and has_ended(seen)),
        keep_running=row.keep_running and not _is_over(row, seen),
        restart=row.restart_mark > row.status.get("restart_mark", 0) or _lost_network(row, seen),
    )
    step = next_step(desired, seen.state if seen else None)
    if step == "rest" and seen is not None:
        seen = heal_name(row, engine, seen)
    if seen is None and (step == "rest" or (step == "gone" and row.final_exit_code is not None)):
        return _unmade_result(row)
    if step == "gone":
        return _gone_result(row)
    if step == "wait":
        return ReconcileResult(state=row.display_state, message="The engine is removing it.", requeue_after=0.5)
    is_crashing = row.keep_running and (not desired.pending or row.status.get("crashes"))
    delay = _crash_delay_left(row, seen) if step == "start" and seen and is_crashing else 0.0
    if delay:
        return _waiting_result(row, seen, "restarting", delay)
    waits = wait_before_stop(row, seen, step) or wait_for_port(row, step)
    return waits or _carry_out(row, engine, seen, step, desired, notes)


def _carry_out(
    row: Container,
    engine: Driver,
    seen: EngineContainer | None,
    step: Step,
    desired: DesiredContainer,
    notes: list[str],
) -> ReconcileResult:
    """Take the step, and report what is there then."""
    if step in {"start", "restart"}:
        enforce_start_policy(row)
        enforce_mount_policy(row, engine, seen) if seen else None
    with track_starting(row):
        found = _perform(row, engine, seen, step)
    notes += _step_notes(row, step)
    # What is made anew for a new member of its unit has not failed: it is no restart, and no crash.
    restarted = step in {"start", "create"} and not desired.pending and PEER_REPLACED not in row.status
    result = _step_result(row, seen, found, restarted=restarted)
    is_repair = restarted or (step == "start" and bool(row.status.get("crashes")))
    record_changes(row, seen, found, result, restarted=is_repair)
    return result


def _remove_outdated(row: Container, engine: Driver, seen: EngineContainer, notes: list[str]) -> EngineContainer | None:
    """What is made for a member of its unit that was replaced since goes, to be made again for the present one."""
    if row.desired != "running" or not deployment_units.is_made_for_others(row, seen):
        return seen
    _stop_and_remove(row, engine, seen)
    row.status = {**row.status, PEER_REPLACED: True}
    notes.append("Removed, as a container whose network or volumes it takes was replaced.")
    return None


def _stop_and_remove(row: Container, engine: Driver, seen: EngineContainer) -> None:
    """Stop it with its grace period, and remove it; unnamed volumes of what was made elsewhere are left there."""
    grace = _stop_grace(row)
    extend_lease(row, grace + 90)
    with track_removing(row):
        if seen.state == "running":
            engine.stop(seen.id, timeout=grace)
        engine.remove(seen.id, volumes=is_made_here(row, seen) or not row.keep_running)


def _lost_network(row: Container, seen: EngineContainer | None) -> bool:
    """Whether it has to be started again, because that was done to the container whose network it shares."""
    return bool(row.deployment_unit and seen is not None and deployment_units.network_started_later(row, seen))


def _stop_grace(row: Container) -> int:
    timeout = row.spec.get("stopTimeout")
    return STOP_GRACE if timeout is None else int(timeout)


def _unmade_result(row: Container) -> ReconcileResult:
    """What is not to run, and is not on any engine, is not made only to be there."""
    status = {**row.status, "achieved": row.generation}
    return ReconcileResult(state="stopped", status=status, fields={"external_id": ""})


def _gone_result(row: Container) -> ReconcileResult:
    """What is not on the engine was removed there; but what could never be made stays, with its reason."""
    if row.state == "error" and not row.external_id:
        return ReconcileResult(state="error", message=row.message, failed=True, status=row.status)
    return ReconcileResult(state="removed", message="It was removed on the host.", fields={"external_id": ""})


def _step_notes(row: Container, step: str) -> list[str]:
    """A note on what was done, for people who watch."""
    done = {"start": "Started.", "stop": "Stopped.", "restart": "Restarted.", "unpause": "Unpaused."}
    if step == "create":
        return [f"Created on {row.host}.", *(["Started."] if row.desired == "running" else [])]
    return [done[step]] if step in done else []


def _is_over(row: Container, seen: EngineContainer | None) -> bool:
    """Whether it is a job that has ended for good, though it may be gone from the engine by now."""
    return is_over(row.restart_policy, seen) if seen else row.final_exit_code is not None


def _find(row: Container, engine: Driver) -> EngineContainer | None:
    """By id if it is known, else by our label: a reconcile that was killed half-way may have created it already."""
    if row.external_id:
        try:
            return engine.inspect(row.external_id)
        except EngineNotFound:
            if row.native:
                return None
    return engine.find(UUID_LABEL, str(row.uuid))


def _perform(row: Container, engine: Driver, seen: EngineContainer | None, step: str) -> EngineContainer:
    grace = _stop_grace(row)
    if step in {"start", "create", "restart"}:
        _require_network(row)
        reclaim_address(row, seen)
        reclaim_ports(row, seen)
    external_id = seen.id if seen else _create(row, engine)
    if step in {"stop", "restart"}:
        extend_lease(row, grace + 90)
    if step == "start" or (step == "create" and row.desired == "running"):
        _start_new(row, engine, external_id, seen)
    elif step == "stop":
        engine.stop(external_id, timeout=grace)
    elif step == "restart":
        engine.restart(external_id, timeout=grace)
    elif step == "unpause":
        engine.unpause(external_id)
    elif seen is not None:
        return seen
    return engine.inspect(external_id)


def _create(row: Container, engine: Driver) -> str:
    """Have the engine create it, from a fresh image if it is to be always pulled."""
    require_fresh_image(row)
    return create_container(row, engine)


def _require_network(row: Container) -> None:
    """Engines start a container in another one's network only while that one runs."""
    waited_for = deployment_units.unready_network(row) if row.desired == "running" else ""
    if waited_for:
        raise PeerNotReady(f"Waits for {waited_for}, whose network it shares, to run.")


def _start_new(row: Container, engine: Driver, external_id: str, seen: EngineContainer | None) -> None:
    """Start it; one that its engine will never start so is made anew."""
    try:
        _start(row, engine, external_id)
    except (EngineStuck, EngineConflict) as error:
        remedy(row, engine, seen, external_id, error)


def _start(row: Container, engine: Driver, external_id: str) -> None:
    """Start it; where somebody removed the environment's network from the engine, recreate that first."""
    if row.networks:
        connect_networks(row, engine, external_id)
    try:
        engine.start(external_id)
    except EngineNotFound:
        if row.config.network_mode != "managed":
            raise
        ensure_network(row, engine, known=False)
        engine.start(external_id)


def _step_result(
    row: Container, before: EngineContainer | None, now: EngineContainer, *, restarted: bool
) -> ReconcileResult:
    """Report what the engine shows; a kept container that ended at once is still starting."""
    result = observed_result(row, now)
    may_end = row.keep_running and (row.desired == "running" or row.is_ended_by_stop)
    over = may_end and is_over(row.restart_policy, now)
    reached = over or (result.state in {"running", "paused"}) == (row.desired == "running")
    status: dict[str, Any] = {
        **(result.status or {}),
        **_end_status(row, before, now),
        "restart_mark": row.restart_mark,
    }
    status["crashes"] = 0 if over else _count_crashes(row, before, now, restarted=restarted, reached=reached)
    status = {key: value for key, value in status.items() if key not in _OF_EARLIER_ATTEMPTS}
    status |= {"final_exit_code": now.exit_code or 0} if over else {}
    result = replace(result, status=status)
    if reached or not row.keep_running:
        return _settled_result(row, now, replace(result, status=status | {"achieved": row.generation}))
    status["achieved"] = row.status.get("achieved")
    message = result.message or "It ended as soon as it was started."
    return replace(result, state="starting", message=message, status=status, requeue_after=1.0)


def _count_crashes(
    row: Container, before: EngineContainer | None, now: EngineContainer, *, restarted: bool, reached: bool
) -> int:
    if row.desired != "running":
        return 0
    known = int(row.status.get("crashes", 0))
    if known and not restarted and now.state == "running" and not seconds_to_settle(now, timezone.now()):
        known = 0
    engine_restarts = int(row.status.get("engine_restarts", 0)) if row.external_id == now.id else 0
    failed = not reached and now.state != "restarting" and row.keep_running
    return count_crashes(known, before, now, engine_restarts, started=restarted, failed=failed)


def _end_status(row: Container, before: EngineContainer | None, now: EngineContainer) -> dict[str, Any]:
    """The last end that was seen, which an engine forgets with the next start."""
    end = RunEnd.of(now) or RunEnd.of(before) or RunEnd.from_status(row.status)
    return {"last_end": end.to_status() if end else None}


def _settled_result(row: Container, now: EngineContainer, result: ReconcileResult) -> ReconcileResult:
    """The result of one that is where it should be: look again until a crash is forgotten, keep the last reason."""
    status = result.status or {}
    crashes = int(status.get("crashes", 0))
    if result.state in {"running", "restarting"} and crashes:
        message = crash_message(crashes, RunEnd.from_status(status))
        settle = seconds_to_settle(now, timezone.now()) + 0.5 if result.state == "running" else result.requeue_after
        return replace(result, message=message, requeue_after=settle)
    never_ran_since = now.started_at == row.status.get("started_at", "")
    if result.state == "stopped" and row.state == "error" and row.desired == "running" and never_ran_since:
        return replace(result, state="error", message=row.message or result.message, failed=row.fault)
    return result


def _crash_delay_left(row: Container, seen: EngineContainer) -> float:
    """How much longer to wait before a container that keeps crashing is started again."""
    finished = parse_datetime(seen.finished_at or "")
    if finished is None or lifetime(seen) >= MIN_LIFETIME:
        return 0.0
    left = crash_restart_delay(row.status.get("crashes", 0) + 1) - (timezone.now() - finished).total_seconds()
    return max(0.0, left)


def _waiting_result(row: Container, seen: EngineContainer | None, state: str, delay: float) -> ReconcileResult:
    """It is started again in `delay` seconds."""
    base = observed_result(row, seen) if seen else ReconcileResult(state=state)
    status = {**row.status, **(base.status or {})}
    if seen is not None:
        status |= _end_status(row, None, seen)
    message = crash_message(int(status.get("crashes", 0)), RunEnd.of(seen), delay=delay)
    return replace(base, state=state, status=status, message=message, requeue_after=delay)


def _refused_result(row: Container, error: EngineError) -> ReconcileResult:
    """The engine refused: a standalone container fails with its message, a kept one is retried, less and less often."""
    if row.keep_running:
        reassignment = placement.reassignment_fields(row, str(error))
        return ReconcileResult(
            state=row.display_state, message=str(error), failed=row.attempts > 0, fields=reassignment
        )
    if error.retry and row.attempts < 3:
        return ReconcileResult(state=row.display_state, message=str(error))
    status = {**row.status, "achieved": row.generation}
    return ReconcileResult(state="error", message=str(error), failed=True, status=status)


def _remove(row: Container) -> ReconcileResult:
    """Remove the container from its engine, after a stop with its grace period."""
    if row.desired == "purged":
        return ReconcileResult(state="purged")
    if row.host is None or row.host.removal_requested:
        return ReconcileResult(state="removed", fields={"external_id": ""})
    notes: tuple[str, ...] = ()
    try:
        engine = driver_of(row.host)
        seen = _find(row, engine)
        if seen is not None:
            give_up_name(row, engine, seen)
        waits = wait_before_stop(row, seen, "stop")
        if waits is not None:
            return waits
        if seen is not None:
            _stop_and_remove(row, engine, seen)
            notes = (f"Removed from {row.host}.",)
    except EngineError as error:
        return ReconcileResult(state="removing", message=str(error))
    return ReconcileResult(state="removed", fields={"external_id": ""}, notes=notes)
