"""What the engine would be told otherwise if a container were made again from what was rebuilt of it. Pure.

Every key of an inspect answer is compared: what is neither the engine's own default nor in the rebuilt request is
named, whether Corral knows the key or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.containers.launch.engine_values import ENGINE_SHM_SIZE, as_list, as_map, as_text

MAX_TEXT = 200
Json = Mapping[str, Any]
_HIDDEN = "(its value)"

# How a client was connected to the container when it was made, and what has a note of its own.
_NOT_ASKED_FOR = frozenset(
    {"AttachStdin", "AttachStdout", "AttachStderr", "OnBuild", "ArgsEscaped", "Image", "StdinOnce", "Labels"}
)
_HOST_NOT_ASKED_FOR = frozenset({"ConsoleSize", "ContainerIDFile", "NetworkMode", "Links", "Mounts"})
_ALL_ADDRESSES = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True, order=True)
class FieldDifference:
    """One thing that a container made later would have otherwise; `now` and `later` are texts for a person."""

    container: str
    field: str
    now: str
    later: str


def find_differences(name: str, seen: Json, rebuilt: Json, image: Json) -> list[FieldDifference]:
    """Compare the inspect answer of the container `name` (without its image's part) with the rebuilt create body.

    What the body says that `image` (its `Config`) says as well is no difference either: ports that are published.
    """
    inherited = as_map(image.get("ExposedPorts"))
    exposed = {port: each for port, each in as_map(rebuilt.get("ExposedPorts")).items() if port not in inherited}
    rebuilt = {**rebuilt, "ExposedPorts": exposed}
    found = _compare(name, as_map(seen.get("Config")), rebuilt, _PROCESS, skipped=_NOT_ASKED_FOR | _own_name(seen))
    host, later = as_map(seen.get("HostConfig")), as_map(rebuilt.get("HostConfig"))
    if host.get("Privileged"):  # nothing is masked for these
        host = {key: value for key, value in host.items() if key not in {"MaskedPaths", "ReadonlyPaths"}}
    found += _compare(name, host, later, _HOST, skipped=_HOST_NOT_ASKED_FOR)
    return [*found, *_mount_options(name, host)]


def _own_name(seen: Json) -> frozenset[str]:
    """The host name was not asked for where it is the engine's: the beginning of the container's id."""
    hostname = as_text(as_map(seen.get("Config")).get("Hostname"))
    return frozenset({"Hostname"}) if hostname and as_text(seen.get("Id")).startswith(hostname) else frozenset()


def _compare(
    name: str, now: Json, later: Json, rules: Mapping[str, Callable[[Any], Any]], *, skipped: frozenset[str]
) -> list[FieldDifference]:
    found = []
    for key in sorted({*now, *later} - skipped - {"HostConfig", "NetworkingConfig"}):
        normal = rules.get(key, _plain)
        one, other = normal(now.get(key)), normal(later.get(key))
        if one != other and not (key in _FILLED_IN and not other):
            found.append(FieldDifference(name, key, *_texts(key, one, other)))
    return found


# Engines write down what they chose where nothing was asked.
_FILLED_IN = frozenset({"CgroupnsMode"})


def _texts(key: str, now: Any, later: Any) -> tuple[str, str]:
    """Both values as texts; of variables and log options only the names, as their values may be secrets."""
    if key == "Env":
        gone, new = sorted(set(now or ()) - set(later or ())), sorted(set(later or ()) - set(now or ()))
        return _names(gone), _names(new)
    if key == "LogConfig":
        return _text(_without_options(now)), _text(_without_options(later))
    return _text(now), _text(later)


def _without_options(log: Any) -> Any:
    options = as_map(as_map(log).get("Config"))
    return {**log, "Config": dict.fromkeys(sorted(options), _HIDDEN)} if options else log


def _names(variables: list[str]) -> str:
    return _text([f"{each.partition('=')[0]}={_HIDDEN}" for each in variables] or None)


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"


def _plain(value: Any) -> Any:
    """The value; what says nothing is None."""
    return value or None


def _unless(*defaults: Any) -> Callable[[Any], Any]:
    return lambda value: None if not value or value in defaults else value


def _sorted_list(value: Any) -> Any:
    return sorted(as_list(value), key=str) or None


def _words(value: Any) -> Any:
    return ([value] if isinstance(value, str) else as_list(value)) or None


def _entry_point(value: Any) -> Any:
    """Empty ones, which engines write in two ways, clear the image's."""
    return "none" if value in ([], [""]) else _words(value)


def _capabilities(value: Any) -> Any:
    return sorted(as_text(each).upper().removeprefix("CAP_") for each in as_list(value)) or None


def _port_bindings(value: Any) -> Any:
    found = {
        port: sorted({(_address(each), as_text(each.get("HostPort"))) for each in map(as_map, as_list(bindings))})
        for port, bindings in as_map(value).items()
    }
    return {port: [":".join(each).lstrip(":") for each in bindings] for port, bindings in found.items()} or None


def _address(binding: Json) -> str:
    text = as_text(binding.get("HostIp"))
    return "" if text in _ALL_ADDRESSES else text


def _binds(value: Any) -> Any:
    found = set()
    for each in as_list(value):
        source, _, rest = as_text(each).partition(":")
        path, _, mode = rest.partition(":")
        flags = ",".join(sorted(set(filter(None, mode.split(","))) - {"rw"}))
        found.add(":".join(part for part in (source, path, flags) if part))
    return sorted(found) or None


def _restart_policy(value: Any) -> Any:
    policy = as_map(value)
    name = as_text(policy.get("Name"))
    if name in {"", "no"}:
        return None
    return f"{name}:{policy.get('MaximumRetryCount')}" if policy.get("MaximumRetryCount") else name


def _log_config(value: Any) -> Any:
    log = {key: each for key, each in as_map(value).items() if each}
    return None if log == {"Type": "json-file"} else log or None


def _exposed(value: Any) -> Any:
    return sorted(as_map(value)) or None


def _health(value: Any) -> Any:
    check = {key: each for key, each in as_map(value).items() if each}
    return check or None


def _masked_paths(value: Any) -> Any:
    """Engines fill in a list, which differs between versions; an empty one was asked for."""
    return "nothing is masked" if value == [] else None


_PROCESS: Mapping[str, Callable[[Any], Any]] = {
    "Env": _sorted_list,
    "Cmd": _words,
    "Entrypoint": _entry_point,
    "ExposedPorts": _exposed,
    "Volumes": _exposed,
    "Healthcheck": _health,
    "StopSignal": _unless("SIGTERM", "15"),
}
_HOST: Mapping[str, Callable[[Any], Any]] = {
    "Binds": _binds,
    "PortBindings": _port_bindings,
    "RestartPolicy": _restart_policy,
    "LogConfig": _log_config,
    "CapAdd": _capabilities,
    "CapDrop": _capabilities,
    "IpcMode": _unless("private", "shareable"),
    "CgroupnsMode": _unless("private", "host"),
    "Runtime": _unless("runc"),
    "ShmSize": _unless(ENGINE_SHM_SIZE),
    "Isolation": _unless("default"),
    "MemorySwappiness": _unless(-1),
    "PidsLimit": _unless(-1),
    "MaskedPaths": _masked_paths,
    "ReadonlyPaths": _masked_paths,
    "SecurityOpt": _sorted_list,
    "Devices": _sorted_list,
    "Ulimits": _sorted_list,
    "ExtraHosts": _sorted_list,
    "GroupAdd": _sorted_list,
}


def with_plain_mounts(seen: Json) -> dict[str, Any]:
    """The inspect answer with mounts of the long form among the binds, where these say the same, and each path once."""
    host = as_map(seen.get("HostConfig"))
    binds = list(as_list(host.get("Binds")))
    for mount in map(as_map, as_list(host.get("Mounts"))):
        if mount.get("Type") in {"bind", "volume"} and mount.get("Source"):
            parts = [as_text(mount.get("Source")), as_text(mount.get("Target")), "ro" if mount.get("ReadOnly") else ""]
            binds.append(":".join(part for part in parts if part))
    process = as_map(seen.get("Config"))
    bound = {part for each in binds for part in as_text(each).split(":")}
    volumes = {path: value for path, value in as_map(process.get("Volumes")).items() if path not in bound}
    return {**seen, "Config": {**process, "Volumes": volumes}, "HostConfig": {**host, "Binds": binds}}


def _mount_options(name: str, host: Json) -> list[FieldDifference]:
    """What mounts of the long form say beyond where they lead; those of other types have no other form."""
    found = []
    for mount in map(as_map, as_list(host.get("Mounts"))):
        path = as_text(mount.get("Target"))
        is_named = mount.get("Type") in {"bind", "volume"}
        known = {"Type", "Source", "Target", "ReadOnly"} if is_named else {"Target"}
        more = {key: value for key, value in mount.items() if key not in known and _says_something(value)}
        if more:
            found.append(FieldDifference(name, f"Mounts {path}", _text(more), ""))
    return found


def _says_something(value: Any) -> bool:
    return any(map(_says_something, value.values())) if isinstance(value, Mapping) else bool(value)
