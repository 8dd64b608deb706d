"""A simulated container as the engine's API shows it."""

from __future__ import annotations

import time
from typing import Any

from corral_agent.sim.box import Box
from corral_agent.sim.images import id_of
from corral_agent.sim.networks import Network

_NEVER = "0001-01-01T00:00:00Z"
_TOLD_APART = {"HostConfig", "NetworkingConfig"}

Json = dict[str, Any]


def stamp(nanoseconds: int) -> str:
    """A time as the engine writes it."""
    if not nanoseconds:
        return _NEVER
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09}Z"


def row(box: Box) -> Json:
    """Its row in /containers/json."""
    return {
        "Id": box.id,
        "Names": [f"/{box.name}"],
        "Image": box.image,
        "ImageID": id_of(box.image),
        "Command": " ".join(box.command),
        "Created": box.made // 10**9,
        "State": box.status,
        "Status": _status(box),
        "Ports": _ports(box),
        "Labels": dict(box.labels),
        "HostConfig": {"NetworkMode": box.mode},
        "NetworkSettings": {"Networks": _networks(box)},
        "Mounts": _mounts(box),
    }


def _status(box: Box) -> str:
    if box.status == "created":
        return "Created"
    age = max(0, time.time_ns() - (box.started if box.running else box.finished)) // 10**9
    if not box.running:
        return f"Exited ({box.exit_code}) {age} seconds ago"
    return f"Up {age} seconds{f' ({box.health})' if box.health else ''}"


def _ports(box: Box) -> list[Json]:
    found: list[Json] = []
    for key, binds in box.ports.items():
        number, _, protocol = key.partition("/")
        here = {"PrivatePort": int(number), "Type": protocol or "tcp"}
        found += [{**here, "PublicPort": int(b["HostPort"]), "IP": b["HostIp"]} for b in binds] or [here]
    return found


def _networks(box: Box) -> Json:
    return {name: {"IPAddress": address, "Aliases": None} for name, address in box.addresses.items()}


def _mounts(box: Box) -> list[Json]:
    return [_mount(bind) for bind in box.config.get("Binds") or ()]


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


def whole(box: Box) -> Json:
    """The answer of /containers/{id}/json."""
    config = {key: value for key, value in box.body.items() if key not in _TOLD_APART}
    return {
        "Id": box.id,
        "Name": f"/{box.name}",
        "Created": stamp(box.made),
        "Path": box.command[0],
        "Args": box.command[1:],
        "Image": id_of(box.image),
        "RestartCount": box.restarts,
        "Driver": "memory",
        "State": _state(box),
        "Config": {"Hostname": box.id[:12], "Labels": {}, "Env": [], "Tty": False, **config},
        "HostConfig": {**box.config, "NetworkMode": box.mode},
        "NetworkSettings": {
            "Ports": {key: binds or None for key, binds in box.ports.items()},
            "Networks": _networks(box),
        },
        "Mounts": _mounts(box),
    }


def _state(box: Box) -> Json:
    state: Json = {
        "Status": box.status,
        "Running": box.running or box.status == "restarting",
        "Paused": box.status == "paused",
        "Restarting": box.status == "restarting",
        "OOMKilled": box.oom_killed,
        "Dead": False,
        "Pid": 4242 if box.running else 0,
        "ExitCode": box.exit_code,
        "Error": box.error,
        "StartedAt": stamp(box.started),
        "FinishedAt": stamp(box.finished),
    }
    return state | ({"Health": {"Status": box.health, "FailingStreak": 0, "Log": []}} if box.health else {})


def network(found: Network) -> Json:
    """A network, with who is on it."""
    subnet = f"172.{found.second_byte}.0.0/16"
    return {
        "Id": found.id,
        "Name": found.name,
        "Created": stamp(found.made),
        "Scope": "local",
        "Driver": found.driver,
        "Labels": dict(found.labels),
        "IPAM": {"Driver": "default", "Config": [{"Subnet": subnet}] if found.second_byte else []},
        "Containers": {key: {"IPv4Address": f"{address}/16"} for address, key in found.used.items()},
        "Options": {},
    }
