"""A simulated container as the engine's API shows it."""

from __future__ import annotations

import time
from typing import Any

from corral_agent.simulated.container import SimulatedContainer
from corral_agent.simulated.images import image_id
from corral_agent.simulated.networks import SimulatedNetwork

_NEVER = "0001-01-01T00:00:00Z"
_SEPARATE_KEYS = {"HostConfig", "NetworkingConfig"}

Json = dict[str, Any]


def to_rfc3339(nanoseconds: int) -> str:
    """A time as the engine writes it."""
    if not nanoseconds:
        return _NEVER
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def container_summary(container: SimulatedContainer) -> Json:
    """Its row in /containers/json."""
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.image,
        "ImageID": image_id(container.image),
        "Command": " ".join(container.command),
        "Created": container.created_at // 10**9,
        "State": container.status,
        "Status": _status(container),
        "Ports": _ports(container),
        "Labels": dict(container.labels),
        "HostConfig": {"NetworkMode": container.mode},
        "NetworkSettings": {"Networks": _networks(container)},
        "Mounts": _mounts(container),
    }


def _status(container: SimulatedContainer) -> str:
    if container.status == "created":
        return "Created"
    age = max(0, time.time_ns() - (container.started_at if container.running else container.finished_at)) // 10**9
    if not container.running:
        return f"Exited ({container.exit_code}) {age} seconds ago"
    return f"Up {age} seconds{f' ({container.health})' if container.health else ''}"


def _ports(container: SimulatedContainer) -> list[Json]:
    found: list[Json] = []
    for key, binds in container.ports.items():
        number, _, protocol = key.partition("/")
        here = {"PrivatePort": int(number), "Type": protocol or "tcp"}
        found += [{**here, "PublicPort": int(b["HostPort"]), "IP": b["HostIp"]} for b in binds] or [here]
    return found


def _networks(container: SimulatedContainer) -> Json:
    return {name: {"IPAddress": address, "Aliases": None} for name, address in container.addresses.items()}


def _mounts(container: SimulatedContainer) -> list[Json]:
    return [_mount(bind) for bind in container.config.get("Binds") or ()]


def _mount(bind: str) -> Json:
    source, _, rest = bind.partition(":")
    target, _, mode = rest.partition(":")
    volume = not source.startswith("/")
    return {
        "Type": "volume" if volume else "bind",
        "Name": source if volume else "",
        "Source": f"/var/lib/docker/volumes/{source}/_data" if volume else source,
        "Destination": target,
        "Mode": mode,
        "RW": "ro" not in mode.split(","),
    }


def container_details(container: SimulatedContainer) -> Json:
    """The answer of /containers/{id}/json."""
    config = {key: value for key, value in container.body.items() if key not in _SEPARATE_KEYS}
    return {
        "Id": container.id,
        "Name": f"/{container.name}",
        "Created": to_rfc3339(container.created_at),
        "Path": container.command[0],
        "Args": container.command[1:],
        "Image": image_id(container.image),
        "RestartCount": container.restarts,
        "Driver": "memory",
        "State": _state(container),
        "Config": {"Hostname": container.id[:12], "Labels": {}, "Env": [], "Tty": False, **config},
        "HostConfig": {**container.config, "NetworkMode": container.mode},
        "NetworkSettings": {
            "Ports": {key: binds or None for key, binds in container.ports.items()},
            "Networks": _networks(container),
        },
        "Mounts": _mounts(container),
    }


def _state(container: SimulatedContainer) -> Json:
    state: Json = {
        "Status": container.status,
        "Running": container.running or container.status == "restarting",
        "Paused": container.status == "paused",
        "Restarting": container.status == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": False,
        "Pid": 4242 if container.running else 0,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": to_rfc3339(container.started_at),
        "FinishedAt": to_rfc3339(container.finished_at),
    }
    return state | ({"Health": {"Status": container.health, "FailingStreak": 0, "Log": []}} if container.health else {})


def network_details(found: SimulatedNetwork) -> Json:
    """A network, with who is on it."""
    subnet = f"172.{found.second_byte}.0.0/16"
    return {
        "Id": found.id,
        "Name": found.name,
        "Created": to_rfc3339(found.created_at),
        "Scope": "local",
        "Driver": found.driver,
        "Labels": dict(found.labels),
        "IPAM": {"Driver": "default", "Config": [{"Subnet": subnet}] if found.second_byte else []},
        "Containers": {key: {"IPv4Address": f"{address}/16"} for address, key in found.used.items()},
        "Options": {},
    }
