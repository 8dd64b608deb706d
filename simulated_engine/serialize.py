"""A simulated engine's containers and networks as the Engine API shows them."""

from __future__ import annotations

from typing import Any

from simulated_engine.container import SimulatedContainer
from simulated_engine.networks import SimulatedNetwork, endpoints
from simulated_engine.timestamps import to_rfc3339

_SEPARATE_KEYS = {"HostConfig", "NetworkingConfig"}
_PID = 4242  # any but 0, which means that no process is there

Json = dict[str, Any]


def container_summary(container: SimulatedContainer, now: int) -> Json:
    """Its row in /containers/json at `now` (unix nanoseconds)."""
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.image,
        "ImageID": container.image_id,
        "Command": " ".join(container.command),
        "Created": container.created_at // 10**9,
        "State": container.status,
        "Status": _status(container, now),
        "Ports": _ports(container),
        "Labels": dict(container.labels),
        "HostConfig": {"NetworkMode": container.mode},
        "NetworkSettings": {"Networks": _networks(container)},
        "Mounts": _mounts(container),
    }


def _status(container: SimulatedContainer, now: int) -> str:
    if container.status == "created":
        return "Created"
    age = max(0, now - (container.started_at if container.running else container.finished_at)) // 10**9
    if not container.running:
        return f"Exited ({container.exit_code}) {age} seconds ago"
    return f"Up {age} seconds{f' ({container.health})' if container.health else ''}"


def _ports(container: SimulatedContainer) -> list[Json]:
    found: list[Json] = []
    for key, binds in container.ports.items():
        number, _, protocol = key.partition("/")
        port = {"PrivatePort": int(number), "Type": protocol or "tcp"}
        found += [{**port, "PublicPort": int(b["HostPort"]), "IP": b["HostIp"]} for b in binds] or [port]
    return found


def _networks(container: SimulatedContainer) -> Json:
    return {name: _endpoint(container, name, address) for name, address in container.addresses.items()}


def _endpoint(container: SimulatedContainer, name: str, address: str) -> Json:
    requested = endpoints(container).get(name) or {}
    mac = str(requested.get("MacAddress") or container.body.get("MacAddress") or "")
    fixed = {"IPAMConfig": requested["IPAMConfig"], "MacAddress": mac} if requested.get("IPAMConfig") else {}
    aliases = requested.get("Aliases") or container.aliases.get(name)
    links = {"Links": requested["Links"]} if requested.get("Links") else {}
    return {"IPAddress": address, "Aliases": aliases or None, **links, **fixed}


def _mounts(container: SimulatedContainer) -> list[Json]:
    unnamed = [f"{name}:{path}" for path, name in container.unnamed_volumes.items()]
    return [_mount(bind) for bind in [*(container.config.get("Binds") or ()), *unnamed]]


def _mount(bind: str) -> Json:
    source, _, rest = bind.partition(":")
    target, _, mode = rest.partition(":")
    is_volume = not source.startswith("/")
    return {
        "Type": "volume" if is_volume else "bind",
        "Name": source if is_volume else "",
        "Source": f"/var/lib/docker/volumes/{source}/_data" if is_volume else source,
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
        "Image": container.image_id,
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
        # The engine counts one that waits for its restart as running.
        "Running": container.running or container.status == "restarting",
        "Paused": container.status == "paused",
        "Restarting": container.status == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": False,
        "Pid": _PID if container.running else 0,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": to_rfc3339(container.started_at),
        "FinishedAt": to_rfc3339(container.finished_at),
    }
    return state | ({"Health": {"Status": container.health, "FailingStreak": 0, "Log": []}} if container.health else {})


def network_details(network: SimulatedNetwork) -> Json:
    """The answer of /networks/{id}, with who is on it."""
    pool = dict(network.pool) or {"Subnet": network.subnet}
    length = network.subnet.partition("/")[2]
    return {
        "Id": network.id,
        "Name": network.name,
        "Created": to_rfc3339(network.created_at),
        "Scope": "local",
        "Driver": network.driver,
        "Labels": dict(network.labels),
        "IPAM": {"Driver": "default", "Config": [pool] if network.subnet else []},
        "Containers": {key: {"IPv4Address": f"{address}/{length}"} for address, key in network.used.items()},
        "Options": dict(network.options),
    }
