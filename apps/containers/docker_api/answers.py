"""What is answered, in the words of the Docker API; pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from apps.containers.docker_api.calls import API_VERSION, OLDEST_VERSION
from apps.drivers.base import EngineContainer, EngineInfo, EnginePort, LogLine, StreamName
from apps.drivers.exec_calls import EngineExec

Json = dict[str, Any]
_FRAME = struct.Struct(">BxxxL")
_STATES = {"running": "Up", "paused": "Up (Paused)", "restarting": "Restarting", "created": "Created", "dead": "Dead"}
# Of what an engine says about a container; the rest are paths on its host, and its drivers.
_SHOWN = (
    *("Id", "Created", "Path", "Args", "State", "Image", "Name", "RestartCount", "Platform", "Config", "HostConfig"),
    *("NetworkSettings", "Mounts"),
)


def version_answer(info: EngineInfo) -> Json:
    """GET /version."""
    return {
        "Version": info.version,
        "ApiVersion": API_VERSION,
        "MinAPIVersion": OLDEST_VERSION,
        "Os": "linux",
        "Arch": info.architecture,
        "KernelVersion": info.kernel,
        "Components": [],
    }


def info_answer(info: EngineInfo, states: Iterable[str]) -> Json:
    """GET /info, as far as it is about the environment; `states` are those of its containers."""
    found = list(states)
    running, paused = found.count("running"), found.count("paused")
    return {
        "ID": info.engine_id,
        "Name": info.name,
        "ServerVersion": info.version,
        "OperatingSystem": info.os,
        "OSType": "linux",
        "KernelVersion": info.kernel,
        "Architecture": info.architecture,
        "NCPU": info.cpus,
        "MemTotal": info.memory,
        "Driver": info.storage_driver,
        "Containers": len(found),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(found) - running - paused,
        "Images": 0,
        "Labels": [],
        "Warnings": None,
    }


def summary_answer(seen: EngineContainer) -> Json:
    """One row of GET /containers/json."""
    return {
        "Id": seen.id,
        "Names": [f"/{seen.name}"],
        "Image": seen.image,
        "ImageID": seen.image_id,
        "Command": seen.command,
        "Created": _unix_time(seen.created),
        "State": seen.state,
        "Status": _STATES.get(seen.state, "Exited") + (f" ({seen.health})" if seen.health else ""),
        "Ports": [_port(each) for each in seen.ports],
        "Labels": dict(seen.labels),
        "HostConfig": {},
        "NetworkSettings": {"Networks": {name: {"IPAddress": address} for name, address in seen.networks.items()}},
        "Mounts": [
            {"Type": each.kind, "Name": each.name, "Destination": each.target, "RW": each.writable}
            for each in seen.mounts
        ],
    }


def _port(port: EnginePort) -> Json:
    found: Json = {"PrivatePort": port.private, "Type": port.protocol}
    return found if port.public is None else {"IP": port.address or "0.0.0.0", **found, "PublicPort": port.public}  # noqa: S104


def _unix_time(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return 0


def details_answer(seen: EngineContainer, *, values: bool) -> Json:
    """GET /containers/{id}/json, without the values of variables where they are not to be seen."""
    found: Json = {name: seen.raw[name] for name in _SHOWN if name in seen.raw}
    config = found.get("Config")
    if isinstance(config, Mapping) and not values:
        names = [str(each).partition("=")[0] for each in config.get("Env") or ()]
        found["Config"] = {**config, "Env": [f"{name}=" for name in names]}
    return found


def exec_answer(found: EngineExec) -> Json:
    """GET /exec/{id}/json."""
    program, arguments = (found.command[0], list(found.command[1:])) if found.command else ("", [])
    return {
        "ID": found.id,
        "ContainerID": found.container_id,
        "Running": found.running,
        "ExitCode": found.exit_code,
        "OpenStdin": True,
        "OpenStdout": True,
        "OpenStderr": True,
        "CanRemove": False,
        "DetachKeys": "",
        "Pid": 0,
        "ProcessConfig": {"tty": found.tty, "entrypoint": program, "arguments": arguments, "privileged": False},
    }


def encode_frame(stream: StreamName, data: bytes) -> bytes:
    """Some output of a program without a terminal."""
    return _FRAME.pack(2 if stream == "stderr" else 1, len(data)) + data


def encode_log(lines: Iterable[LogLine], *, timestamps: bool, streams: frozenset[str]) -> Iterator[bytes]:
    """Lines as the body of GET /containers/{id}/logs: in frames, but for those of a terminal."""
    for line in lines:
        text = f"{line.at} {line.text}" if timestamps else line.text
        if line.stream == "tty":
            yield f"{text}\r\n".encode()
        elif line.stream in streams:
            yield encode_frame(line.stream, f"{text}\n".encode())


def rfc3339_of(text: str) -> str:
    """A moment as clients send it, in seconds since 1970 with a fraction or as RFC 3339, as RFC 3339; empty: none.

    Raises `ValueError`.
    """
    if text in {"", "0"}:
        return ""
    whole, _, fraction = text.partition(".")
    if not (whole.isascii() and whole.isdecimal()):
        return text
    if len(whole) > 11 or not (f"0{fraction}".isascii() and f"0{fraction}".isdecimal()):
        raise ValueError(text)
    day = datetime.fromtimestamp(int(whole), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{day}.{fraction[:9] or '0'}Z"
