"""How a host settles: is its engine there, what is on it, and does anybody need to know."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone

from apps.core.defaults import setting_int
from apps.core.result import Result
from apps.drivers import registry
from apps.drivers.base import ContainerSeen, EngineError, EngineInfo, EngineRefused
from apps.hosts.agents import credentials_revoke
from apps.hosts.drain import drain
from apps.hosts.lifecycle import away
from apps.hosts.lost import fenced, losers
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.selectors import driver_of, endpoint_of

log = logging.getLogger(__name__)

SCAN_EVERY = (45.0, 55.0)
RETRY_EVERY = 3.0
RETRY_LATER = 15.0

ANOTHER = "Another engine answers there than before. If that is meant, remove this host and add it again."

Scanner = Callable[[Host, list[ContainerSeen]], None]
Leaver = Callable[[Host], int]

scanners: list[Scanner] = []
leavers: list[Leaver] = []


def settle(row: Host) -> Result:
    """Look at the engine and everything on it, again within a minute; events only make it faster."""
    if row.desired in {"removed", "purged"}:
        return _leave(row)
    try:
        engine = driver_of(row)
        (info, machine), seen = engine.about(), engine.containers()
    except EngineRefused as error:
        return Result(state="error", message=str(error), again_in=RETRY_LATER, failed=True)
    except EngineError as error:
        return _away(row, error)
    if row.engine_id not in {"", info.engine_id}:
        return Result(state="error", message=ANOTHER, again_in=RETRY_LATER, failed=True)
    held = fenced(row, seen)
    if held is not None:
        return held
    for scan in scanners:
        scan(row, seen)
    return _seen(row, info, machine, seen)


def _seen(row: Host, info: EngineInfo, machine: Mapping[str, Any], seen: list[ContainerSeen]) -> Result:
    found = drain(row) if row.is_draining else _at_rest(row)
    running = sum(each.state == "running" for each in seen)
    return replace(
        found,
        status={**(found.status or {}), "containers": len(seen), "running": running},
        fields={
            "engine_id": info.engine_id,
            "hostname": info.name,
            "info": wire_info(info, machine),
            "engine_labels": automatic_labels(info),
            "seen_at": timezone.now(),
            "lost_at": None,
        },
    )


def _at_rest(row: Host) -> Result:
    """As it is wished to be; what a finished drain found stays known until the next one."""
    kept = {name: row.status[name] for name in ("drained", "stays") if row.drain and name in row.status}
    again_in = random.uniform(*SCAN_EVERY)  # noqa: S311 - spread, not secrecy
    return Result(state=row.desired, status=kept, again_in=again_in)


def _away(row: Host, error: EngineError) -> Result:
    """The engine does not answer: what was seen last stays, and how long ago that was decides about the word for it."""
    now = timezone.now()
    if row.has_agent and row.seen_at is None:
        return Result(state="registering", message="Waiting for the agent to connect.", again_in=RETRY_LATER)
    for loser in losers:
        loser(row)
    since = row.lost_at or now
    state = (
        "reconnecting"
        if row.is_draining
        else away((now - since).total_seconds(), setting_int("host.disconnected.after.seconds"))
    )
    return Result(
        state=state,
        message=f"The engine does not answer: {error}",
        again_in=RETRY_EVERY if state == "reconnecting" else RETRY_LATER,
        fields={"lost_at": since},
    )


def _leave(row: Host) -> Result:
    """Have everything that stands on the host let go of it, then forget its engine."""
    if row.desired == "purged":
        return Result(state="purged")
    left = sum(leave(row) for leave in leavers)
    if left:
        return Result(state="removing", message=f"Waiting for {left} containers to go", again_in=1.0)
    credentials_revoke(row)
    registry.forget(endpoint_of(row))
    return Result(state="removed")


def settle_token(row: RegistrationToken) -> Result:
    """A token is what it is wished to be."""
    return Result(state=row.desired)


def wire_info(info: EngineInfo, machine: Mapping[str, Any]) -> dict[str, Any]:
    """The v1 `host.info` structure, memory in MiB; `machine` is what the host's agent tells beyond its engine."""
    told = {name: machine.get(name) or {} for name in ("osInfo", "cpuInfo", "memoryInfo", "diskInfo")}
    disks = {"diskInfo": told["diskInfo"]} if told["diskInfo"] else {}
    return {
        "osInfo": {
            **told["osInfo"],
            "operatingSystem": info.os,
            "kernelVersion": info.kernel,
            "dockerVersion": f"Docker version {info.version}",
        },
        "cpuInfo": {"modelName": info.architecture, **told["cpuInfo"], "count": info.cpus},
        "memoryInfo": {**told["memoryInfo"], "memTotal": info.memory // (1024 * 1024)},
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
