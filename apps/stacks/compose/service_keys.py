"""Reads the keys of a compose service into fields of a launch configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from apps.containers.launch.config import LAUNCH_FIELDS
from apps.containers.launch.fields.declaration import ComposeKind, LaunchField
from apps.containers.launch.values import image_uuid
from apps.stacks.compose import value_formats

Fields = dict[str, Any]
KeyReader = Callable[[Any], Fields]


class UnsupportedValue(Exception):
    """The key asks for something that Corral does not support; the text says why and what to do instead."""


def _to_field(field: str, convert: Callable[[Any], Any] = lambda value: value) -> KeyReader:
    return lambda value: {field: convert(value)}


def _unsupported(reason: str) -> KeyReader:
    def read(_value: Any) -> Fields:
        raise UnsupportedValue(reason)

    return read


def _restart(value: Any) -> Fields:
    name, _, count = ("no" if value is False else str(value)).partition(":")  # unquoted, `no` is a boolean
    return {"restartPolicy": {"name": name, "maximumRetryCount": count or None}}


def _network(value: Any) -> Fields:
    mode = str(value)
    if mode.startswith(("container:", "service:")):
        raise UnsupportedValue("sharing another container's network is not supported here")
    if mode not in {"bridge", "host", "none", "managed", "default"}:
        raise UnsupportedValue("the network must be managed, bridge, host or none")
    return {"networkMode": mode.replace("default", "managed")}


def _volumes(value: Any) -> Fields:
    found: Fields = {"dataVolumes": [], "tmpfs": {}}
    for each in value_formats.as_list(value):
        if not isinstance(each, Mapping):
            found["dataVolumes"].append(_require_absolute(str(each)))
        elif each.get("type") == "tmpfs":
            limit = _map(each.get("tmpfs")).get("size")
            found["tmpfs"][str(each.get("target"))] = f"size={value_formats.parse_size(limit)}" if limit else ""
        else:
            found["dataVolumes"].append(_long_volume(each))
    return found


def _long_volume(value: Mapping[str, Any]) -> str:
    kind = str(value.get("type", "volume"))
    if kind not in {"bind", "volume"}:
        raise UnsupportedValue(f"volumes of the type {kind[:40]!r} are not supported")
    modes = ["ro"] if value_formats.parse_boolean(value.get("read_only")) is True else []
    modes += [str(mode) for mode in (_map(value.get("bind")).get("propagation"),) if mode]
    modes += ["nocopy"] if value_formats.parse_boolean(_map(value.get("volume")).get("nocopy")) is True else []
    parts = (value.get("source"), value.get("target"), ",".join(modes))
    return _require_absolute(":".join(str(part) for part in parts if part))


def _require_absolute(volume: str) -> str:
    if volume.startswith((".", "~")):
        raise UnsupportedValue(
            f"{volume[:60]!r}: the portal has no folder that this could mean; use an absolute path or a name"
        )
    return volume


def _map(value: Any) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    raise ValueError("write a map")


def _tmpfs(value: Any) -> Fields:
    return {"tmpfs": {path: options or "" for path, options in value_formats.as_map(value, ":").items()}}


def _extra_hosts(value: Any) -> Fields:
    if isinstance(value, Mapping):
        return {"extraHosts": [f"{name}:{address}" for name, address in value.items()]}
    texts = [str(each) for each in value_formats.as_list(value)]
    return {"extraHosts": [text.replace("=", ":", 1) if "=" in text else text for text in texts]}


def _logging(value: Any) -> Fields:
    found = _map(value)
    return {"logConfig": {"driver": found.get("driver"), "config": found.get("options")}}


def _ulimits(value: Any) -> Fields:
    found = []
    for name, limit in _map(value).items():
        spread = limit if isinstance(limit, Mapping) else {"soft": limit}
        found.append({"name": name, "soft": spread.get("soft"), "hard": spread.get("hard")})
    return {"ulimits": found}


def _health(value: Any) -> Fields:
    found = _map(value)
    if value_formats.parse_boolean(found.get("disable")) is True:
        return {"dockerHealthCheck": {"test": ["NONE"]}}
    times = {"interval": "interval", "timeout": "timeout", "startPeriod": "start_period"}
    read = {
        field: value_formats.parse_milliseconds(found[key])
        for field, key in times.items()
        if found.get(key) is not None
    }
    return {"dockerHealthCheck": {"test": found.get("test"), "retries": found.get("retries"), **read}}


def _blkio(value: Any) -> Fields:
    devices: dict[str, Fields] = {}
    for field, key in BLOCK_KEYS.items():
        for each in map(_map, value_formats.as_list(_map(value).get(key) or [])):
            number = each.get("weight") if field == "weight" else value_formats.parse_size(each.get("rate"))
            devices.setdefault(str(each.get("path")), {})[field] = number
    return {"blkioWeight": _map(value).get("weight"), "blkioDeviceOptions": devices}


def _deploy(value: Any) -> Fields:
    found, resources = _map(value), _map(_map(value).get("resources"))
    limits, reserved, restart = _map(resources.get("limits")), _map(resources.get("reservations")), None
    if policy := _map(found.get("restart_policy")):
        name = {"none": "no", "any": "always"}.get(str(policy.get("condition", "any")), policy.get("condition"))
        restart = {"name": name, "maximumRetryCount": policy.get("max_attempts") if name == "on-failure" else None}
    return {
        "scale": found.get("replicas"),
        "labels": {"io.rancher.scheduler.global": "true"} if found.get("mode") == "global" else None,
        "nanoCpus": None if limits.get("cpus") is None else value_formats.parse_nano_cpus(limits["cpus"]),
        "memory": None if limits.get("memory") is None else value_formats.parse_size(limits["memory"]),
        "pidsLimit": limits.get("pids"),
        "memoryReservation": None if reserved.get("memory") is None else value_formats.parse_size(reserved["memory"]),
        "restartPolicy": restart,
    }


def _pull_policy(value: Any) -> Fields:
    return {"labels": {"io.rancher.container.pull_image": "always"} if value == "always" else None}


def _ports(value: Any) -> list[str]:
    return [port for each in value_formats.as_list(value) for port in value_formats.expand_ports(each)]


BLOCK_KEYS = {
    "weight": "weight_device",
    "readBps": "device_read_bps",
    "writeBps": "device_write_bps",
    "readIops": "device_read_iops",
    "writeIops": "device_write_iops",
}

# How values of each kind of key are read; `exporter` writes them.
_KIND_READERS: dict[ComposeKind, Callable[[Any], Any]] = {
    "same": lambda value: value,
    "size": value_formats.parse_size,
    "switch": value_formats.parse_boolean,
    "pairs": value_formats.as_map,
    "words": value_formats.split_command,
    "ports": _ports,
    "cpus": value_formats.parse_nano_cpus,
    "seconds": lambda value: -(-value_formats.parse_milliseconds(value) // 1000),
}

# The readers of the `own` keys of launch fields.
OWN_READERS: dict[str, KeyReader] = {
    "image": _to_field("imageUuid", lambda value: image_uuid(str(value))),
    "volumes": _volumes,
    "tmpfs": _tmpfs,
    "extra_hosts": _extra_hosts,
    "restart": _restart,
    "net": _network,
    "network_mode": _network,
    "logging": _logging,
    "log_driver": lambda value: {"logConfig": {"driver": value}},
    "log_opt": lambda value: {"logConfig": {"config": value}},
    "ulimits": _ulimits,
    "healthcheck": _health,
    "blkio_config": _blkio,
}
_NO_FILES = "the portal reads no files of its own for a stack: "

# Keys that set several fields, that are about the service, or that Corral does not support.
_OTHER_READERS: dict[str, KeyReader] = {
    "deploy": _deploy,
    "pull_policy": _pull_policy,
    "scale": _to_field("scale"),
    "build": _unsupported("build is not supported: push an image and name it with `image`"),
    "dockerfile": _unsupported("build is not supported: push an image and name it with `image`"),
    "extends": _unsupported(f"{_NO_FILES}write the service out instead of `extends`"),
    "env_file": _unsupported(f"{_NO_FILES}write the variables under `environment` instead of `env_file`"),
    "label_file": _unsupported(f"{_NO_FILES}write them under `labels` instead of `label_file`"),
}


def key_readers(fields: Iterable[LaunchField]) -> dict[str, KeyReader]:
    """Return the reader of each key of a service."""
    found = {
        each.key: OWN_READERS[each.key] if each.kind == "own" else _to_field(field.name, _KIND_READERS[each.kind])
        for field in fields
        for each in field.compose
        if each.kind != "rancher"
    }
    return found | _OTHER_READERS


KEY_READERS = key_readers(LAUNCH_FIELDS)
