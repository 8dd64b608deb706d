"""Reconciling hosts: whether the engine answers, what is on it, and which workloads need to know."""

from __future__ import annotations

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.control.load import is_behind
from apps.core.defaults import setting_int
from apps.core.plurals import counted
from apps.core.result import ReconcileResult
from apps.drivers import registry
from apps.drivers.base import (
    EngineContainer,
    EngineError,
    EngineInfo,
    EngineRefused,
    EngineTimeout,
)
from apps.hosts.agents import credentials_revoke
from apps.hosts.drain import reconcile_drain
from apps.hosts.engine_ownership import claim_engine
from apps.hosts.lifecycle import unreachable_state
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.selectors import endpoint_of
from apps.hosts.system_container.on_engine import remove_container, set_apart
from apps.hosts.workloads import workloads

log = logging.getLogger(__name__)

SCAN_EVERY = (45.0, 55.0)
RETRY_EVERY = 3.0
RETRY_LATER = 15.0
OVERLOADED_RETRY = (5.0, 15.0)
MAX_OVERLOADED_SILENCE = 300.0
"""Seconds without an answer from which on a host counts as silent however busy the portal is."""


def reconcile_host(row: Host) -> ReconcileResult:
    """Compare the engine and everything on it with the rows, again within a minute; events only make it faster."""
    if row.desired in {"removed", "purged"}:
        return _remove(row)
    try:
        engine = registry.get_driver(endpoint_of(row))
        info, machine = engine.describe_host()
        refusal = claim_engine(row, info.engine_id)
        if refusal:  # before anything else is read: what is on another's engine is none of this environment's business
            return _fenced_result(row, refusal)
        seen = engine.containers()
    except EngineRefused as error:
        return ReconcileResult(state="error", message=str(error), requeue_after=RETRY_LATER, failed=True)
    except EngineError as error:
        return _unreachable_result(row, error)
    fencing = fence_replaced_containers(row, seen)
    if fencing is not None:
        return fencing
    seen = set_apart(row, seen)
    workloads.on_host_scanned(row, seen)
    return _observed_result(row, info, machine, seen)


def _fenced_result(row: Host, reason: str) -> ReconcileResult:
    """The engine is not the host's own: nothing more is requested of it until that has changed."""
    return ReconcileResult(
        state="error",
        message=reason,
        status=row.status,
        requeue_after=RETRY_LATER,
        failed=True,
        fields={"fenced": reason},
    )


def fence_replaced_containers(row: Host, seen: Sequence[EngineContainer]) -> ReconcileResult | None:
    """The result for a host that is back but still runs copies which were replaced elsewhere, else None.

    Until they are gone the host does not count as returned: two copies of one slot would run at once.
    """
    left = workloads.fence(row, seen) if row.lost_at else 0
    if not left:
        return None
    message = f"It is back; first {counted(left, 'container')} replaced elsewhere must be removed."
    return ReconcileResult(state="reconnecting", message=message, status=row.status, requeue_after=0.5)


def _observed_result(
    row: Host, info: EngineInfo, machine: Mapping[str, Any], seen: list[EngineContainer]
) -> ReconcileResult:
    result = reconcile_drain(row) if row.is_draining else _steady_result(row)
    running = sum(each.state == "running" for each in seen)
    return replace(
        result,
        status={**(result.status or {}), "containers": len(seen), "running": running},
        fields={
            "engine_id": info.engine_id,
            "fenced": "",
            "hostname": info.name,
            "info": host_info(info, machine),
            "engine_labels": automatic_labels(info),
            "seen_at": timezone.now(),
            "lost_at": None,
        },
    )


def _steady_result(row: Host) -> ReconcileResult:
    """In its desired state; what a finished drain found stays known until the next one."""
    drain_status = {name: row.status[name] for name in ("drained", "stays") if row.drain and name in row.status}
    requeue_after = random.uniform(*SCAN_EVERY)  # noqa: S311 - spread, not secrecy
    return ReconcileResult(state=row.desired, status=drain_status, requeue_after=requeue_after)


def _unreachable_result(row: Host, error: EngineError) -> ReconcileResult:
    """The engine does not answer: what was observed last stays, and how long ago that was decides about the state."""
    now = timezone.now()
    if _is_our_delay(row, error, now):
        message = "The portal is overloaded and did not hear the engine in time; it is asked again."
        return ReconcileResult(
            state=row.state,
            message=message,
            status=row.status,
            requeue_after=random.uniform(*OVERLOADED_RETRY),  # noqa: S311 - spread
        )
    if row.has_agent and row.seen_at is None:
        return ReconcileResult(
            state="registering", message="Waiting for the agent to connect.", requeue_after=RETRY_LATER
        )
    workloads.on_host_unreachable(row)
    since = row.lost_at or now
    state = (
        "reconnecting"
        if row.is_draining
        else unreachable_state((now - since).total_seconds(), setting_int("host.disconnected.after.seconds"))
    )
    return ReconcileResult(
        state=state,
        message=f"The engine does not answer: {error}",
        requeue_after=RETRY_EVERY if state == "reconnecting" else RETRY_LATER,
        fields={"lost_at": since},
    )


def _is_our_delay(row: Host, error: EngineError, now: datetime) -> bool:
    """Whether the silence may be the portal's own: it is behind, and the host was heard of a short while ago."""
    if not isinstance(error, EngineTimeout) or row.state != "active" or row.seen_at is None or not is_behind():
        return False
    return (now - row.seen_at).total_seconds() < MAX_OVERLOADED_SILENCE


def _remove(row: Host) -> ReconcileResult:
    """Have every workload detach from the host, then forget its engine."""
    if row.desired == "purged":
        return ReconcileResult(state="purged")
    left = workloads.on_host_removed(row)
    if left:
        message = f"Waiting for {counted(left, 'container')} to go"
        return ReconcileResult(state="removing", message=message, requeue_after=1.0)
    credentials_revoke(row)
    _remove_system_container(row)
    registry.discard_driver(endpoint_of(row))
    return ReconcileResult(state="removed")


def _remove_system_container(row: Host) -> None:
    """An engine that is away keeps it: there is no other time to remove it."""
    if row.system_container or row.system_report:
        try:
            remove_container(row)
        except EngineError as error:
            log.warning("the system container of host %s stays: %s", row.pk, error)


def reconcile_token(row: RegistrationToken) -> ReconcileResult:
    """A token is always in its desired state."""
    return ReconcileResult(state=row.desired)


def host_info(info: EngineInfo, machine: Mapping[str, Any]) -> dict[str, Any]:
    """The v1 `host.info` structure, memory in MiB; `machine` is what the host's agent reports beyond its engine."""
    reported = {name: machine.get(name) or {} for name in ("osInfo", "cpuInfo", "memoryInfo")}
    optional = {name: machine[name] for name in ("diskInfo", "networkInfo") if machine.get(name)}
    return {
        "osInfo": {
            **reported["osInfo"],
            "operatingSystem": info.os,
            "kernelVersion": info.kernel,
            "dockerVersion": f"Docker version {info.version}",
        },
        "cpuInfo": {"modelName": info.architecture, **reported["cpuInfo"], "count": info.cpus},
        "memoryInfo": {**reported["memoryInfo"], "memTotal": info.memory // (1024 * 1024)},
        **optional,
        "dockerStorageDriver": info.storage_driver,
        "apiVersion": info.api_version,
    }


def automatic_labels(info: EngineInfo) -> dict[str, str]:
    """The labels that Rancher's agent put on a host."""
    return {
        "io.rancher.host.docker_version": ".".join(info.version.split(".")[:2]),
        "io.rancher.host.linux_kernel_version": ".".join(info.kernel.split(".")[:2]),
        "io.rancher.host.os": info.os,
    }
