"""How a host settles: is its engine there, what is on it, and does anybody need to know."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone

from apps.core.defaults import setting_int
from apps.core.result import ReconcileResult
from apps.drivers import registry
from apps.drivers.base import (
    EngineContainer,
    EngineError,
    EngineInfo,
    EngineRefused,
)
from apps.hosts.agents import credentials_revoke
from apps.hosts.drain import reconcile_drain
from apps.hosts.lifecycle import unreachable_state
from apps.hosts.lost import fence_replaced_containers, losers
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.selectors import driver_of, endpoint_of

log = logging.getLogger(__name__)

SCAN_EVERY = (45.0, 55.0)
RETRY_EVERY = 3.0
RETRY_LATER = 15.0

ENGINE_CHANGED = "Another engine answers there than before. If that is meant, remove this host and add it again."

Scanner = Callable[[Host, list[EngineContainer]], None]
Leaver = Callable[[Host], int]

scanners: list[Scanner] = []
leavers: list[Leaver] = []


def reconcile_host(row: Host) -> ReconcileResult:
    """Look at the engine and everything on it, again within a minute; events only make it faster."""
    if row.desired in {"removed", "purged"}:
        return _remove(row)
    try:
        engine = driver_of(row)
        (info, machine), seen = engine.describe_host(), engine.containers()
    except EngineRefused as error:
        return ReconcileResult(state="error", message=str(error), requeue_after=RETRY_LATER, failed=True)
    except EngineError as error:
        return _unreachable_result(row, error)
    if row.engine_id not in {"", info.engine_id}:
        return ReconcileResult(state="error", message=ENGINE_CHANGED, requeue_after=RETRY_LATER, failed=True)
    fencing = fence_replaced_containers(row, seen)
    if fencing is not None:
        return fencing
    for scan in scanners:
        scan(row, seen)
    return _observed_result(row, info, machine, seen)


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
            "hostname": info.name,
            "info": host_info(info, machine),
            "engine_labels": automatic_labels(info),
            "seen_at": timezone.now(),
            "lost_at": None,
        },
    )


def _steady_result(row: Host) -> ReconcileResult:
    """As it is wished to be; what a finished drain found stays known until the next one."""
    drain_status = {name: row.status[name] for name in ("drained", "stays") if row.drain and name in row.status}
    requeue_after = random.uniform(*SCAN_EVERY)  # noqa: S311 - spread, not secrecy
    return ReconcileResult(state=row.desired, status=drain_status, requeue_after=requeue_after)


def _unreachable_result(row: Host, error: EngineError) -> ReconcileResult:
    """The engine does not answer: what was seen last stays, and how long ago that was decides about the word for it."""
    now = timezone.now()
    if row.has_agent and row.seen_at is None:
        return ReconcileResult(
            state="registering", message="Waiting for the agent to connect.", requeue_after=RETRY_LATER
        )
    for loser in losers:
        loser(row)
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


def _remove(row: Host) -> ReconcileResult:
    """Have everything that stands on the host let go of it, then forget its engine."""
    if row.desired == "purged":
        return ReconcileResult(state="purged")
    left = sum(leave(row) for leave in leavers)
    if left:
        return ReconcileResult(state="removing", message=f"Waiting for {left} containers to go", requeue_after=1.0)
    credentials_revoke(row)
    registry.discard_driver(endpoint_of(row))
    return ReconcileResult(state="removed")


def reconcile_token(row: RegistrationToken) -> ReconcileResult:
    """A token is what it is wished to be."""
    return ReconcileResult(state=row.desired)


def host_info(info: EngineInfo, machine: Mapping[str, Any]) -> dict[str, Any]:
    """The v1 `host.info` structure, memory in MiB; `machine` is what the host's agent tells beyond its engine."""
    reported = {name: machine.get(name) or {} for name in ("osInfo", "cpuInfo", "memoryInfo", "diskInfo")}
    disks = {"diskInfo": reported["diskInfo"]} if reported["diskInfo"] else {}
    return {
        "osInfo": {
            **reported["osInfo"],
            "operatingSystem": info.os,
            "kernelVersion": info.kernel,
            "dockerVersion": f"Docker version {info.version}",
        },
        "cpuInfo": {"modelName": info.architecture, **reported["cpuInfo"], "count": info.cpus},
        "memoryInfo": {**reported["memoryInfo"], "memTotal": info.memory // (1024 * 1024)},
        **disks,
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
