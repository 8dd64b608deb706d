"""How a host settles: is its engine there, what is on it, and does anybody need to know."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from apps.core.result import Result
from apps.drivers import registry
from apps.drivers.base import ContainerSeen, EngineError, EngineInfo
from apps.hosts.models import Host, RegistrationToken
from apps.hosts.selectors import driver_of, endpoint_of

log = logging.getLogger(__name__)

SCAN_EVERY = 45.0
RETRY_EVERY = 3.0

Scanner = Callable[[Host, list[ContainerSeen]], None]
Leaver = Callable[[Host], int]

scanners: list[Scanner] = []
leavers: list[Leaver] = []


def settle(row: Host) -> Result:
    """Look at the engine and everything on it, again every 45 s; events only make it faster."""
    if row.desired in {"removed", "purged"}:
        return _leave(row)
    try:
        engine = driver_of(row)
        info, seen = engine.info(), engine.containers()
    except EngineError as error:
        return Result(state="reconnecting", message=f"The engine does not answer: {error}", again_in=RETRY_EVERY)
    for scan in scanners:
        scan(row, seen)
    return Result(
        state=row.desired,
        again_in=SCAN_EVERY,
        status={"containers": len(seen), "running": sum(s.state == "running" for s in seen)},
        fields={
            "engine_id": info.engine_id,
            "hostname": info.name,
            "info": wire_info(info),
            "engine_labels": automatic_labels(info),
        },
    )


def _leave(row: Host) -> Result:
    """Have everything that stands on the host let go of it, then forget its engine."""
    if row.desired == "purged":
        return Result(state="purged")
    left = sum(leave(row) for leave in leavers)
    if left:
        return Result(state="removing", message=f"Waiting for {left} containers to go", again_in=1.0)
    registry.forget(endpoint_of(row))
    return Result(state="removed")


def settle_token(row: RegistrationToken) -> Result:
    """A token is what it is wished to be."""
    return Result(state=row.desired)


def wire_info(info: EngineInfo) -> dict[str, Any]:
    """The v1 `host.info` structure, memory in MiB."""
    return {
        "osInfo": {
            "operatingSystem": info.os,
            "kernelVersion": info.kernel,
            "dockerVersion": f"Docker version {info.version}",
        },
        "cpuInfo": {"count": info.cpus, "modelName": info.architecture},
        "memoryInfo": {"memTotal": info.memory // (1024 * 1024)},
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
