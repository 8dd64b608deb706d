"""Reads the keys of a compose service into fields of a launch configuration."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

from apps.containers.launch.config import LAUNCH_FIELDS
from apps.containers.launch.fields.declaration import ComposeKind, LaunchField
from apps.containers.launch.kind_labels import GLOBAL_LABEL, PULL_IMAGE_LABEL, START_ONCE_LABEL
from apps.containers.launch.values import CLEARED, image_uuid
from apps.stacks.compose import value_formats
from apps.stacks.compose.placement_keys import UnsupportedPlacement, read_placement

Fields = dict[str, Any]
KeyReader = Callable[[Any], Fields]


class UnsupportedValue(Exception):
    """The key asks for something that Corral does not support; the text says why and what to do instead."""


def _to_field(field: str, convert: Callable[[Any], Any] = lambda value: value) -> KeyReader:
    return lambda value: {field: convert(value)}


def _unsupported(reason: str, *, but: Container[str] = ()) -> KeyReader:
    """Refuses whatever the key says, but for nothing and these words."""

    def read(value: Any) -> Fields:
        if value in ({}, []) or (isinstance(value, str) and value in but):
            return {}
        raise UnsupportedValue(reason)

    return read


def _restart(value: Any) -> Fields:
    text = "no" if value is False else value_formats.as_text(value)  # unquoted, `no` is a boolean
    name, _, count = text.partition(":")
    return {"restartPolicy": {"name": name, "maximumRetryCount": count or None}}


def _network(value: Any) -> Fields:
    mode = value_formats.as_text(value)
    if mode.startswith(("container:", "service:")):
        return {"networkMode": "container", "networkLaunchConfig": mode.partition(":")[2]}
    if mode not in {"bridge", "host", "none", "managed", "default"}:
        raise UnsupportedValue("the network must be managed, bridge, host or none")
    return {"networkMode": mode.replace("default", "managed")}


def _volumes_from(value: Any) -> Fields:
    names = value_formats.as_texts(value)
    for name in names:
        if ":" in name.removesuffix(":rw"):
            raise UnsupportedValue(
                f"{name[:60]!r}: write the name of a sidekick alone; its volumes are lent as they are"
            )
    return {"dataVolumesFromLaunchConfigs": [name.removesuffix(":rw") for name in names]}


def _volumes(value: Any) -> Fields:
    found: Fields = {"dataVolumes": [], "tmpfs": {}}
    for each in value_formats.as_list(value):
        if not isinstance(each, Mapping):
            found["dataVolumes"].append(_require_absolute(value_formats.as_text(each)))
        elif each.get("type") == "tmpfs":
            found["tmpfs"][value_formats.as_text(each.get("target"))] = _tmpfs_options(each)
        else:
            found["dataVolumes"].append(_long_volume(each))
    return found


def _tmpfs_options(volume: Mapping[str, Any]) -> str:
    _refuse_settings(volume, "source", "bind", "volume")
    given = _map(volume.get("tmpfs"))
    size, mode = given.get("size"), given.get("mode")
    found = ["ro"] if value_formats.parse_boolean(volume.get("read_only")) is True else []
    found += [f"size={value_formats.parse_size(size)}"] if size else []
    if mode:
        digits = value_formats.as_text(mode).removeprefix("0o")
        if not set(digits) <= set("01234567"):
            raise ValueError(f"{digits[:20]!r} is no mode: write octal digits such as 1777")
        found.append(f"mode={digits}")
    return ",".join(found)


def _refuse_settings(volume: Mapping[str, Any], *names: str) -> None:
    """Refuse settings of another type of volume: the type is wrong, or they are."""
    wrong = next((name for name in names if volume.get(name)), None)
    if wrong is not None:
        raise ValueError(f"a volume of the type {str(volume.get('type') or 'volume')[:20]} has no {wrong!r}")


def _long_volume(value: Mapping[str, Any]) -> str:
    kind = str(value.get("type") or "volume")
    if kind not in {"bind", "volume"}:
        raise UnsupportedValue(f"volumes of the type {kind[:40]!r} are not supported")
    source, target, bind = value.get("source"), value.get("target"), _map(value.get("bind"))
    if not target:
        raise ValueError("a volume that is a map needs its `target`")
    _refuse_settings(value, "tmpfs", "volume" if kind == "bind" else "image")
    if kind == "bind" and not str(source or "").startswith("/"):
        _require_absolute("." + str(source or ""))
    modes = ["ro"] if value_formats.parse_boolean(value.get("read_only")) is True else []
    modes += [value_formats.as_text(mode) for mode in (bind.get("propagation"), bind.get("selinux")) if mode]
    modes += ["nocopy"] if value_formats.parse_boolean(_map(value.get("volume")).get("nocopy")) is True else []
    parts = (source, target, ",".join(modes))
    return _require_absolute(":".join(value_formats.as_text(part) for part in parts if part))


def _require_absolute(volume: str) -> str:
    if volume.startswith((".", "~")):
        raise UnsupportedValue(
            f"{volume[:60]!r}: the portal has no folder that this could mean; use an absolute path or a name"
        )
    return volume


def _map(value: Any) -> Mapping[str, Any]:
    """The map of settings; one that is blank, as an unset variable leaves it, is as if it were absent."""
    if value is None or value == "":
        return {}
    if isinstance(value, Mapping):
        return {key: each for key, each in value.items() if each != ""}
    raise ValueError("write a map")


def _tmpfs(value: Any) -> Fields:
    return {"tmpfs": {path: options or "" for path, options in value_formats.as_map(value, ":").items()}}


def _extra_hosts(value: Any) -> Fields:
    if isinstance(value, Mapping):
        pairs = [(name, each) for name, given in value.items() for each in value_formats.as_texts(given)]
        return {"extraHosts": [f"{name}:{address}" for name, address in pairs]}
    texts = value_formats.as_texts(value)
    return {"extraHosts": [text.replace("=", ":", 1) if "=" in text else text for text in texts]}


def _entry_point(value: Any) -> Fields:
    """An empty entry point clears the image's, which is more than to say nothing: `CLEARED` says so."""
    return {"entryPoint": value_formats.split_command(value) or list(CLEARED)}


def _logging(value: Any) -> Fields:
    found = _map(value)
    return _log(found.get("driver"), found.get("options"))


def _log(driver: Any, options: Any) -> Fields:
    """Rancher wrote an empty driver with empty options for services that have neither."""
    return {"logConfig": {"driver": driver or None, "config": options or None}} if driver or options else {}


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
    _refuse_job_mode(found.get("mode"))
    _refuse_reserved_devices(_map(resources.get("reservations")))
    try:
        labels = read_placement(_map(found.get("placement")))
    except UnsupportedPlacement as problem:
        raise UnsupportedValue(str(problem)) from None
    limits, reserved, restart = _map(resources.get("limits")), _map(resources.get("reservations")), None
    if policy := _map(found.get("restart_policy")):
        name = {"none": "no", "any": "always"}.get(str(policy.get("condition", "any")), policy.get("condition"))
        attempts = policy.get("max_attempts")
        if name != "on-failure" and str(attempts).strip() not in {"None", "", "0"}:
            raise UnsupportedValue(
                f"`restart_policy.max_attempts` is for `condition: on-failure` alone, and engines would not keep to it "
                f"with {str(name)[:40]!r}: set that condition, or leave it out"
            )
        restart = {"name": name, "maximumRetryCount": attempts or None}
    return {
        "labels": labels | ({GLOBAL_LABEL: "true"} if found.get("mode") == "global" else {}) or None,
        "scale": found.get("replicas"),
        "nanoCpus": None if limits.get("cpus") is None else value_formats.parse_nano_cpus(limits["cpus"]),
        "memory": None if limits.get("memory") is None else value_formats.parse_size(limits["memory"]),
        "pidsLimit": limits.get("pids"),
        "memoryReservation": None if reserved.get("memory") is None else value_formats.parse_size(reserved["memory"]),
        "milliCpuReservation": None
        if reserved.get("cpus") is None
        else value_formats.parse_nano_cpus(reserved["cpus"]) // 10**6,
        "restartPolicy": restart,
    }


def _refuse_job_mode(mode: Any) -> None:
    if mode in {"replicated-job", "global-job"}:
        raise UnsupportedValue(
            f"`mode: {mode}` is not supported, and the containers would be started again whenever they end: for a job "
            f"that runs once set the label {START_ONCE_LABEL} to true, for one that runs at times the label "
            "io.corral.schedule"
        )


def _refuse_reserved_devices(reserved: Mapping[str, Any]) -> None:
    for key in ("devices", "generic_resources"):
        if reserved.get(key):
            raise UnsupportedValue(f"`resources.reservations.{key}` is not supported: {_GPU_REMEDY}")


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
    "microseconds": value_formats.parse_microseconds,
}

# The readers of the `own` keys of launch fields.
OWN_READERS: dict[str, KeyReader] = {
    "image": _to_field("imageUuid", lambda value: image_uuid(str(value))),
    "volumes": _volumes,
    "volumes_from": _volumes_from,
    "tmpfs": _tmpfs,
    "extra_hosts": _extra_hosts,
    "restart": _restart,
    "net": _network,
    "network_mode": _network,
    "logging": _logging,
    "log_driver": lambda value: {"logConfig": {"driver": value}} if value else {},
    "log_opt": lambda value: {"logConfig": {"config": value}} if value else {},
    "entrypoint": _entry_point,
    "ulimits": _ulimits,
    "healthcheck": _health,
    "blkio_config": _blkio,
}


def _pull_policy(value: Any) -> dict[str, Any]:
    """An image that is there is taken, as compose does by itself, unless it is always to be pulled."""
    return {"labels": {PULL_IMAGE_LABEL: "always"}} if str(value).strip() == "always" else {}


_GPU_REMEDY = (
    "engines are not asked for GPUs; name the device files under `devices`, or have the hosts' engines use the runtime "
    "that hands them over by default"
)
_WINDOWS_ONLY = "is for hosts that run Windows, which are not supported: leave it out"
_NO_FILES = "one file cannot read others: "

# Keys that set several fields, that are about the service, or that Corral does not support.
_OTHER_READERS: dict[str, KeyReader] = {
    "deploy": _deploy,
    "pull_policy": _pull_policy,
    "scale": _to_field("scale"),
    "build": _unsupported("build is not supported: push an image and name it with `image`"),
    "dockerfile": _unsupported("build is not supported: push an image and name it with `image`"),
    "env_file": _unsupported(f"{_NO_FILES}write the variables under `environment`, or upload all files as a bundle"),
    "secrets": _unsupported(
        "secrets are not supported, and the container would start without them: hand the values over in "
        "`environment`, or in a volume or a folder of the host under `volumes`"
    ),
    "configs": _unsupported(
        "configs are not supported, and the container would start without these files: put them into the image, or "
        "into a volume or a folder of the host under `volumes`"
    ),
    "gpus": _unsupported(f"gpus is not supported: {_GPU_REMEDY}"),
    "credential_spec": _unsupported(f"credential_spec {_WINDOWS_ONLY}"),
    "isolation": _unsupported(f"isolation {_WINDOWS_ONLY}", but={"default"}),
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
