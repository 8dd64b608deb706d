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
)
from apps.drivers.docker.timestamps import to_nanoseconds, unix_to_rfc3339
from apps.drivers.image_values import ImageDetails, ImageLayer
from apps.drivers.volumes import EngineFile, EngineVolume

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
    digests = tuple(str(each) for each in found.get("RepoDigests") or () if not str(each).startswith("<none>"))
    config = found.get("Config")
    size, config = int(found.get("Size") or 0), config if isinstance(config, Mapping) else {}
    return EngineImage(str(found["Id"]), tags, size, seconds, config, digests)


def parse_image_details(found: Json, history: Iterable[Json]) -> ImageDetails:
    """The answer for one image, and that for its history."""
    config = found.get("Config") or {}
    return ImageDetails(
        image=parse_image(found),
        os=str(found.get("Os") or ""),
        architecture=str(found.get("Architecture") or ""),
        author=str(found.get("Author") or ""),
        command=tuple(map(str, config.get("Cmd") or ())),
        entrypoint=tuple(map(str, config.get("Entrypoint") or ())),
        working_directory=str(config.get("WorkingDir") or ""),
        user=str(config.get("User") or ""),
        ports=tuple(sorted(config.get("ExposedPorts") or ())),
        volumes=tuple(sorted(config.get("Volumes") or ())),
        labels=_texts(config.get("Labels")),
        layers=tuple(
            ImageLayer(
                command=str(step.get("CreatedBy") or ""),
                size=int(step.get("Size") or 0),
                created=int(step.get("Created") or 0),
                tags=tuple(map(str, step.get("Tags") or ())),
                comment=str(step.get("Comment") or ""),
            )
            for step in history
        ),
    )


def parse_volume(found: Json) -> EngineVolume:
    """The answer for one volume."""
    return EngineVolume(
        name=str(found.get("Name", "")),
        driver=str(found.get("Driver", "")),
        options=_texts(found.get("Options")),
        labels=_texts(found.get("Labels")),
        created=str(found.get("CreatedAt") or ""),
        mountpoint=str(found.get("Mountpoint") or ""),
    )


def parse_volume_sizes(found: Json) -> dict[str, int]:
    """The part of the answer of /system/df about volumes; an engine says -1 of those that it cannot measure."""
    sizes = {str(each["Name"]): int((each.get("UsageData") or {}).get("Size", -1)) for each in found["Volumes"] or ()}
    return {name: size for name, size in sizes.items() if size >= 0}


_GO_FOLDER, _GO_LINK = 1 << 31, 1 << 27


def parse_file(found: Json) -> EngineFile:
    """The header that comes with a container's archive; its mode is that of Go's library."""
    mode = int(found["mode"])
    is_link = bool(mode & _GO_LINK)
    link = str(found.get("linkTarget") or "") if is_link else ""
    return EngineFile(str(found["name"]), int(found["size"]), bool(mode & _GO_FOLDER), link or ("?" if is_link else ""))


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
