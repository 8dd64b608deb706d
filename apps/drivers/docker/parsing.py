"""The engine's JSON as Corral's frozen values; pure, and lenient about what an engine leaves out."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from apps.drivers.base import (
    EngineContainer,
    EngineEvent,
    EngineImage,
    EngineInfo,
    EngineMount,
    EnginePort,
    EngineVolume,
)
from apps.drivers.docker.timestamps import to_nanoseconds, unix_to_rfc3339

Json = Mapping[str, Any]
_NEVER = "0001-01-01T00:00:00Z"


def parse_info(found: Json, api_version: str) -> EngineInfo:
    """The answer of /info."""
    return EngineInfo(
        engine_id=str(found.get("ID", "")),
        name=str(found.get("Name", "")),
        version=str(found.get("ServerVersion", "")),
        api_version=api_version,
        os=str(found.get("OperatingSystem", "")),
        kernel=str(found.get("KernelVersion", "")),
        architecture=str(found.get("Architecture", "")),
        cpus=int(found.get("NCPU") or 0),
        memory=int(found.get("MemTotal") or 0),
        storage_driver=str(found.get("Driver", "")),
    )


def parse_container_summary(found: Json) -> EngineContainer:
    """One row of /containers/json."""
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    return EngineContainer(
        id=str(found["Id"]),
        name=_primary_name(found.get("Names") or ()),
        image=str(found.get("Image", "")),
        image_id=str(found.get("ImageID", "")),
        state=str(found.get("State", "")),
        labels=_texts(found.get("Labels")),
        created=unix_to_rfc3339(found.get("Created") or 0),
        health=_health_from_status(found.get("Status", "")),
        command=str(found.get("Command", "")),
        ports=tuple(_listed_port(port) for port in found.get("Ports") or ()),
        networks=_addresses(networks),
        mounts=_mounts(found.get("Mounts") or ()),
    )


def _texts(found: Any) -> dict[str, str]:
    """A map of texts, whatever an engine put there as values."""
    return {str(key): str(value) for key, value in (found or {}).items()}


def _primary_name(names: Iterable[str]) -> str:
    """Of `/web` and the link names `/other/web`, the container's own."""
    return next((name[1:] for name in names if name.count("/") == 1), "")


def _health_from_status(status: str) -> str:
    for word in ("unhealthy", "healthy", "starting"):
        if f"({word})" in status or f"(health: {word})" in status:
            return word
    return ""


def _listed_port(port: Json) -> EnginePort:
    return EnginePort(port["PrivatePort"], port.get("Type", "tcp"), port.get("PublicPort"), port.get("IP", ""))


def _addresses(networks: Json) -> dict[str, str]:
    return {name: (point or {}).get("IPAddress") or "" for name, point in networks.items()}


def _mounts(mounts: Iterable[Json]) -> tuple[EngineMount, ...]:
    return tuple(
        EngineMount(
            kind=mount.get("Type", "bind"),
            source=mount.get("Source", ""),
            target=mount.get("Destination", ""),
            writable=bool(mount.get("RW")),
            name=mount.get("Name", ""),
        )
        for mount in mounts
    )


def parse_container(raw: Json) -> EngineContainer:
    """The answer of /containers/{id}/json."""
    state, config = raw.get("State") or {}, raw.get("Config") or {}
    network = raw.get("NetworkSettings") or {}
    return EngineContainer(
        id=str(raw["Id"]),
        name=raw.get("Name", "").lstrip("/"),
        image=str(config.get("Image", "")),
        image_id=str(raw.get("Image", "")),
        state=str(state.get("Status", "")),
        labels=_texts(config.get("Labels")),
        created=raw.get("Created", ""),
        started_at=_timestamp_or_empty(state.get("StartedAt")),
        finished_at=_timestamp_or_empty(state.get("FinishedAt")),
        # One that waits for its restart counts as running, though it has ended.
        exit_code=state.get("ExitCode") if state.get("Restarting") or not state.get("Running") else None,
        oom_killed=bool(state.get("OOMKilled")),
        restart_count=int(raw.get("RestartCount") or 0),
        error=str(state.get("Error") or ""),
        health=_health(state.get("Health")),
        command=shlex.join([part for part in (raw.get("Path"), *(raw.get("Args") or ())) if part]),
        ports=_ports(network.get("Ports") or {}),
        networks=_addresses(network.get("Networks") or {}),
        mounts=_mounts(raw.get("Mounts") or ()),
        raw=raw,
    )


def _timestamp_or_empty(text: str | None) -> str:
    return "" if not text or text == _NEVER else text


def _health(found: Json | None) -> str:
    status = str((found or {}).get("Status") or "")
    return "" if status == "none" else status


def _ports(found: Mapping[str, Any]) -> tuple[EnginePort, ...]:
    seen: list[EnginePort] = []
    for key, bindings in found.items():
        number, _, protocol = key.partition("/")
        private, protocol = int(number), protocol or "tcp"
        if not bindings:
            seen.append(EnginePort(private, protocol))
        for bound in bindings or ():
            public = bound.get("HostPort") or ""
            seen.append(EnginePort(private, protocol, int(public) if public else None, bound.get("HostIp", "")))
    return tuple(seen)


def parse_image(found: Json) -> EngineImage:
    """One row of /images/json, or the answer for one image."""
    tags = tuple(tag for tag in found.get("RepoTags") or () if tag != "<none>:<none>")
    made = found.get("Created") or 0  # a number in lists, a text in the answer for one
    seconds = to_nanoseconds(made) // 10**9 if isinstance(made, str) else int(made)
    return EngineImage(found["Id"], tags, int(found.get("Size") or 0), seconds)


def parse_volume(found: Json) -> EngineVolume:
    """The answer for one volume."""
    options = {str(name): str(value) for name, value in (found.get("Options") or {}).items()}
    return EngineVolume(str(found.get("Name", "")), str(found.get("Driver", "")), options)


def parse_event(found: Json) -> EngineEvent:
    """One line of /events."""
    actor = found.get("Actor") or {}
    at = float(found.get("timeNano") or int(found.get("time") or 0) * 10**9) / 1e9
    if not math.isfinite(at):
        raise ValueError("the time is not a finite number")
    return EngineEvent(
        at=at,
        kind=str(found.get("Type", "")),
        action=str(found.get("Action", "")),
        id=str(actor.get("ID") or found.get("id") or ""),
        attributes=_texts(actor.get("Attributes")),
    )
