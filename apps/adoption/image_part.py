"""What of an inspect answer comes from the image: engines show both in one, and a file must not repeat it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apps.containers.launch.engine_values import as_list, as_map, as_text

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")
_SAME_IN_IMAGE = ("WorkingDir", "User", "StopSignal", "Healthcheck", "Shell", "OnBuild", "ArgsEscaped")
Json = Mapping[str, Any]


def without_image_part(raw: Json, image: Json) -> dict[str, Any]:
    """The inspect answer with only what was asked for beside the image, whose `Config` is `image`."""
    process = dict(as_map(raw.get("Config")))
    inherited = set(as_list(image.get("Env")))
    process["Env"] = [each for each in as_list(process.get("Env")) if each not in inherited]
    process["Labels"] = _left(process.get("Labels"), image.get("Labels"))
    process["ExposedPorts"] = _left(process.get("ExposedPorts"), image.get("ExposedPorts"))
    process["Volumes"] = _left(process.get("Volumes"), image.get("Volumes"))
    for key in _SAME_IN_IMAGE:
        if process.get(key) == image.get(key):
            process.pop(key, None)
    own_entry, image_entry = process.get("Entrypoint") or None, image.get("Entrypoint") or None
    if own_entry == image_entry:
        process.pop("Entrypoint", None)
        if (process.get("Cmd") or None) == (image.get("Cmd") or None):
            process.pop("Cmd", None)
    elif own_entry is None:
        process["Entrypoint"] = [""]  # which clears the image's
    return {**raw, "Config": process}


def without_engine_part(raw: Json) -> dict[str, Any]:
    """The inspect answer without what engines add to the HostConfig by themselves.

    Twice the memory as the limit with swap, and no label of SELinux where namespaces of the host are shared.
    """
    host = dict(as_map(raw.get("HostConfig")))
    if host.get("Memory") and host.get("MemorySwap") == 2 * host["Memory"]:
        host.pop("MemorySwap")
    if host.get("Privileged") or "host" in {host.get("PidMode"), host.get("IpcMode")}:
        host["SecurityOpt"] = [each for each in as_list(host.get("SecurityOpt")) if each != "label=disable"]
    return {**raw, "HostConfig": host}


def _left(own: Any, inherited: Any) -> dict[str, Any]:
    known = as_map(inherited)
    return {name: value for name, value in as_map(own).items() if name not in known or known[name] != value}


def anonymous_volumes(raw: Json) -> dict[str, str]:
    """The volumes that the engine made for this container alone: their names by their paths in it."""
    asked = {part for each in as_list(as_map(raw.get("HostConfig")).get("Binds")) for part in as_text(each).split(":")}
    found = {}
    for mount in map(as_map, as_list(raw.get("Mounts"))):
        name, path = as_text(mount.get("Name")), as_text(mount.get("Destination"))
        if mount.get("Type") == "volume" and _ANONYMOUS.fullmatch(name) and path not in asked:
            found[path] = name
    return dict(sorted(found.items()))


def with_volumes(raw: Json, volumes: Mapping[str, str]) -> dict[str, Any]:
    """The inspect answer as if these volumes (names by paths) had been mounted by their names."""
    host, process = dict(as_map(raw.get("HostConfig"))), dict(as_map(raw.get("Config")))
    host["Binds"] = [*as_list(host.get("Binds")), *(f"{name}:{path}" for path, name in volumes.items())]
    process["Volumes"] = {path: value for path, value in as_map(process.get("Volumes")).items() if path not in volumes}
    return {**raw, "HostConfig": host, "Config": process}
