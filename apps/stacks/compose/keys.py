"""The keys of a compose service, each turned into fields of a launch configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.containers.spec import image_uuid
from apps.stacks.compose import lists, ports, units

Fields = dict[str, Any]
Reader = Callable[[Any], Fields]


class Refused(Exception):
    """The key asks for something that Corral will not do; the text says why and what to do instead."""


def _named(field: str, convert: Callable[[Any], Any] = lambda value: value) -> Reader:
    return lambda value: {field: convert(value)}


def _refuse(reason: str) -> Reader:
    def read(_value: Any) -> Fields:
        raise Refused(reason)

    return read


def _restart(value: Any) -> Fields:
    name, _, count = str(value).partition(":")
    return {"restartPolicy": {"name": name, "maximumRetryCount": count or None}}


def _network(value: Any) -> Fields:
    mode = str(value)
    if mode.startswith(("container:", "service:")):
        raise Refused("sharing another container's network is not supported here")
    if mode not in {"bridge", "host", "none", "managed", "default"}:
        raise Refused("the network must be managed, bridge, host or none")
    return {"networkMode": mode.replace("default", "managed")}


def _volumes(value: Any) -> Fields:
    found: Fields = {"dataVolumes": [], "tmpfs": {}}
    for each in lists.listed(value):
        if not isinstance(each, Mapping):
            found["dataVolumes"].append(_absolute(str(each)))
        elif each.get("type") == "tmpfs":
            limit = _map(each.get("tmpfs")).get("size")
            found["tmpfs"][str(each.get("target"))] = f"size={units.size(limit)}" if limit else ""
        else:
            found["dataVolumes"].append(_long_volume(each))
    return found


def _long_volume(value: Mapping[str, Any]) -> str:
    kind = str(value.get("type", "volume"))
    if kind not in {"bind", "volume"}:
        raise Refused(f"volumes of the type {kind[:40]!r} are not supported")
    modes = ["ro"] if units.yes(value.get("read_only")) is True else []
    modes += [str(mode) for mode in (_map(value.get("bind")).get("propagation"),) if mode]
    modes += ["nocopy"] if units.yes(_map(value.get("volume")).get("nocopy")) is True else []
    parts = (value.get("source"), value.get("target"), ",".join(modes))
    return _absolute(":".join(str(part) for part in parts if part))


def _absolute(volume: str) -> str:
    if volume.startswith((".", "~")):
        raise Refused(f"{volume[:60]!r}: the portal has no folder that this could mean; use an absolute path or a name")
    return volume


def _map(value: Any) -> Mapping[str, Any]:
    if value is None or isinstance(value, Mapping):
        return value or {}
    raise ValueError("write a map")


def _tmpfs(value: Any) -> Fields:
    return {"tmpfs": {path: options or "" for path, options in lists.pairs(value, ":").items()}}


def _extra_hosts(value: Any) -> Fields:
    if isinstance(value, Mapping):
        return {"extraHosts": [f"{name}:{address}" for name, address in value.items()]}
    texts = [str(each) for each in lists.listed(value)]
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
    if units.yes(found.get("disable")) is True:
        return {"dockerHealthCheck": {"test": ["NONE"]}}
    times = {"interval": "interval", "timeout": "timeout", "startPeriod": "start_period"}
    read = {field: units.milliseconds(found[key]) for field, key in times.items() if found.get(key) is not None}
    return {"dockerHealthCheck": {"test": found.get("test"), "retries": found.get("retries"), **read}}


def _blkio(value: Any) -> Fields:
    devices: dict[str, Fields] = {}
    for field, key in BLOCK_KEYS.items():
        for each in map(_map, lists.listed(_map(value).get(key) or [])):
            number = each.get("weight") if field == "weight" else units.size(each.get("rate"))
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
        "nanoCpus": None if limits.get("cpus") is None else units.nano_cpus(limits["cpus"]),
        "memory": None if limits.get("memory") is None else units.size(limits["memory"]),
        "pidsLimit": limits.get("pids"),
        "memoryReservation": None if reserved.get("memory") is None else units.size(reserved["memory"]),
        "restartPolicy": restart,
    }


def _pull(value: Any) -> Fields:
    return {"labels": {"io.rancher.container.pull_image": "always"} if value == "always" else None}


def _environment(value: Any) -> Fields:
    return {"environment": lists.pairs(value)}


def _ports(value: Any) -> list[str]:
    return [port for each in lists.listed(value) for port in ports.ports(each)]


BLOCK_KEYS = {
    "weight": "weight_device",
    "readBps": "device_read_bps",
    "writeBps": "device_write_bps",
    "readIops": "device_read_iops",
    "writeIops": "device_write_iops",
}

# Keys that say the same as one field of a launch configuration: compose key -> field. Also what export writes.
SAME = {
    "devices": "devices",
    "dns": "dns",
    "dns_search": "dnsSearch",
    "dns_opt": "dnsOpt",
    "domainname": "domainName",
    "hostname": "hostname",
    "cap_add": "capAdd",
    "cap_drop": "capDrop",
    "cpu_shares": "cpuShares",
    "cpu_period": "cpuPeriod",
    "cpu_quota": "cpuQuota",
    "cpuset": "cpuSet",
    "pids_limit": "pidsLimit",
    "pid": "pidMode",
    "ipc": "ipcMode",
    "security_opt": "securityOpt",
    "group_add": "groupAdd",
    "user": "user",
    "volume_driver": "volumeDriver",
    "working_dir": "workingDir",
    "stop_signal": "stopSignal",
}
SIZES = {
    "mem_limit": "memory",
    "memswap_limit": "memorySwap",
    "mem_reservation": "memoryReservation",
    "shm_size": "shmSize",
}
SWITCHES = {
    "privileged": "privileged",
    "read_only": "readOnly",
    "stdin_open": "stdinOpen",
    "tty": "tty",
    "init": "runInit",
}
_NO_FILES = "the portal reads no files of its own for a stack: "

READERS: dict[str, Reader] = {
    **{key: _named(field) for key, field in SAME.items()},
    **{key: _named(field, units.size) for key, field in SIZES.items()},
    **{key: _named(field, units.yes) for key, field in SWITCHES.items()},
    "image": _named("imageUuid", lambda value: image_uuid(str(value))),
    "command": _named("command", lists.words),
    "entrypoint": _named("entryPoint", lists.words),
    "environment": _environment,
    "labels": _named("labels", lists.pairs),
    "sysctls": _named("sysctls", lists.pairs),
    "ports": _named("ports", _ports),
    "expose": _named("expose", _ports),
    "volumes": _volumes,
    "tmpfs": _tmpfs,
    "extra_hosts": _extra_hosts,
    "restart": _restart,
    "net": _network,
    "network_mode": _network,
    "logging": _logging,
    "log_driver": lambda value: {"logConfig": {"driver": value}},
    "log_opt": lambda value: {"logConfig": {"config": value}},
    "cpus": _named("nanoCpus", units.nano_cpus),
    "stop_grace_period": _named("stopTimeout", lambda value: -(-units.milliseconds(value) // 1000)),
    "ulimits": _ulimits,
    "healthcheck": _health,
    "blkio_config": _blkio,
    "deploy": _deploy,
    "pull_policy": _pull,
    "scale": _named("scale"),
    "build": _refuse("build is not supported: push an image and name it with `image`"),
    "dockerfile": _refuse("build is not supported: push an image and name it with `image`"),
    "extends": _refuse(f"{_NO_FILES}write the service out instead of `extends`"),
    "env_file": _refuse(f"{_NO_FILES}write the variables under `environment` instead of `env_file`"),
    "label_file": _refuse(f"{_NO_FILES}write them under `labels` instead of `label_file`"),
}
