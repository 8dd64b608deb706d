"""Values of a launch configuration as an engine has them, and back: ports, mounts, health checks, limits of devices."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.containers.launch.values import (
    CLEARED,
    BlkioDevice,
    DockerHealthCheck,
    LogConfig,
    Mount,
    Port,
    RestartPolicy,
    Ulimit,
)

NANOSECONDS_PER_MS = 1_000_000
ENGINE_SHM_SIZE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Inspected:
    """An inspect answer: `process` is its Config, `host` its HostConfig. Nothing in it is trusted."""

    raw: Mapping[str, Any]
    process: Mapping[str, Any]
    host: Mapping[str, Any]

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Inspected:
        """Take apart an inspect answer."""
        return cls(raw, as_map(raw.get("Config")), as_map(raw.get("HostConfig")))


def as_map(value: Any) -> Mapping[str, Any]:
    """The map, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """The list, or an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """The text, or an empty one."""
    return value if isinstance(value, str) else ""


def drop_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing; zero and false say something."""
    return {name: value for name, value in values.items() if value is not None and value not in ("", [], {})}


def write_environment(environment: Mapping[str, str]) -> list[str]:
    """`NAME=value` for each variable."""
    return [f"{name}={value}" for name, value in environment.items()]


def read_environment(value: Any) -> dict[str, str]:
    """The variables of `NAME=value`."""
    return dict(as_text(each).partition("=")[::2] for each in as_list(value))


def write_entry_point(entry_point: Sequence[str]) -> list[str] | None:
    """The entry point; an empty list clears the image's and leaves its command, None keeps both."""
    return ([] if tuple(entry_point) == CLEARED else list(entry_point)) if entry_point else None


def read_image(value: Any) -> str:
    """The v1 form of an engine's image."""
    image = as_text(value)
    return image if image.startswith("sim:") else f"docker:{image}"


def read_hostname(seen: Inspected) -> str | None:
    """The host name, unless the engine made it from the container's id."""
    name = as_text(seen.process.get("Hostname"))
    return None if not name or as_text(seen.raw.get("Id")).startswith(name) else name


def read_network_mode(value: Any) -> str:
    """The v1 mode; networks that have a name of their own count as bridges."""
    mode = as_text(value)
    if mode.startswith("container:"):
        return "container"
    return mode if mode in {"host", "none"} else "bridge"


def read_network_container(value: Any) -> str | None:
    """The engine id of the container whose network is shared."""
    mode = as_text(value)
    return mode.partition(":")[2] or None if mode.startswith("container:") else None


def write_exposed_ports(ports: Iterable[Port]) -> dict[str, dict[str, str]]:
    """Each port with its protocol."""
    return {f"{port.private}/{port.protocol}": {} for port in ports}


def write_port_bindings(ports: Iterable[Port]) -> dict[str, list[dict[str, str]]]:
    """Where each port is published."""
    found: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostPort": port.public_text} | ({"HostIp": port.address} if port.address else {})
        found.setdefault(f"{port.private}/{port.protocol}", []).append(binding)
    return found


def read_ports(seen: Inspected) -> list[str]:
    """The published ports; the one that engines publish for IPv4 and again for IPv6 is one."""
    published: dict[str, None] = {}
    bound = as_map(seen.host.get("PortBindings"))
    for private in sorted(bound):
        for binding in map(as_map, as_list(bound[private]) or [{}]):
            address = as_text(binding.get("HostIp"))
            address = "" if address in {"", "0.0.0.0", "::"} else f"[{address}]:" if ":" in address else f"{address}:"  # noqa: S104
            public = as_text(binding.get("HostPort"))
            published[f"{address}{public}{':' if address or public else ''}{private}"] = None
    return list(published)


def read_exposed_ports(seen: Inspected) -> list[str]:
    """The ports that are exposed and not published."""
    bound = as_map(seen.host.get("PortBindings"))
    return [each for each in sorted(as_map(seen.process.get("ExposedPorts"))) if each not in bound]


def write_binds(volumes: Iterable[Mount]) -> list[str]:
    """The mounts that have a source."""
    return [str(each) for each in volumes if each.source]


def write_unnamed_volumes(volumes: Iterable[Mount]) -> dict[str, dict[str, str]]:
    """The mounts without a source."""
    return {each.path: {} for each in volumes if not each.source}


def read_volumes(seen: Inspected) -> list[str]:
    """All mounts, whichever of the engine's three forms they have."""
    found = [as_text(each) for each in as_list(seen.host.get("Binds"))]
    for mount in map(as_map, as_list(seen.host.get("Mounts"))):
        if as_text(mount.get("Type")) in {"bind", "volume"}:
            parts = [as_text(mount.get("Source")), as_text(mount.get("Target")), "ro" if mount.get("ReadOnly") else ""]
            found.append(":".join(part for part in parts if part))
    taken = {part for each in found for part in each.split(":")}
    return found + [path for path in sorted(as_map(seen.process.get("Volumes"))) if path not in taken]


def read_volume_driver(seen: Inspected) -> Any:
    """The driver; old engines have it beside the process."""
    return seen.host.get("VolumeDriver") or seen.process.get("VolumeDriver") or None


def read_shm_size(value: Any) -> Any:
    """The size; what every container gets was not asked for."""
    return None if value == ENGINE_SHM_SIZE else value


def read_ipc_mode(value: Any) -> str | None:
    """The mode; the engine's default, which differs between versions, was not asked for."""
    return "host" if value == "host" else None


_HEALTH_TIMES = {"interval": "Interval", "timeout": "Timeout", "startPeriod": "StartPeriod"}


def write_health_check(check: DockerHealthCheck) -> dict[str, Any]:
    """The engine's own check, in its nanoseconds."""
    return {
        "Test": list(check.test),
        "Interval": check.interval * NANOSECONDS_PER_MS,
        "Timeout": check.timeout * NANOSECONDS_PER_MS,
        "StartPeriod": check.start_period * NANOSECONDS_PER_MS,
        "Retries": check.retries,
    }


def read_health_check(value: Any) -> dict[str, Any] | None:
    """The engine's own check, in milliseconds."""
    check = as_map(value)
    if not check:
        return None
    times = {
        name: number // NANOSECONDS_PER_MS if isinstance(number := check.get(key), int) else 0
        for name, key in _HEALTH_TIMES.items()
    }
    return {"test": check.get("Test"), "retries": check.get("Retries"), **times}


def write_log_config(log: LogConfig) -> dict[str, Any]:
    """The driver and its options."""
    return drop_empty({"Type": log.driver, "Config": dict(log.config)})


def read_log_config(value: Any) -> dict[str, Any] | None:
    """The driver and its options."""
    log = as_map(value)
    return {"driver": log.get("Type") or None, "config": log.get("Config")} if log else None


def write_restart_policy(policy: RestartPolicy) -> dict[str, Any]:
    """The policy; engines refuse a count for any but `on-failure`."""
    retries = {"MaximumRetryCount": policy.maximum_retry_count} if policy.name == "on-failure" else {}
    return {"Name": policy.name, **retries} if policy.name else {}


def read_restart_policy(value: Any) -> dict[str, Any] | None:
    """The policy, unless there is none."""
    policy = as_map(value)
    if not policy.get("Name"):
        return None
    return {"name": policy["Name"], "maximumRetryCount": policy.get("MaximumRetryCount")}


def write_ulimits(limits: Iterable[Ulimit]) -> list[dict[str, Any]]:
    """The limits, always with both sides."""
    return [
        {"Name": each.name, "Soft": each.soft, "Hard": each.soft if each.hard is None else each.hard} for each in limits
    ]


def read_ulimits(value: Any) -> list[dict[str, Any]]:
    """The limits."""
    return [
        {"name": each.get("Name"), "soft": each.get("Soft"), "hard": each.get("Hard")}
        for each in map(as_map, as_list(value))
    ]


def write_devices(devices: Sequence[str]) -> list[dict[str, str]]:
    """The devices of `/dev/a[:/dev/b][:rwm]`."""
    return [_write_device(each) for each in devices]


def _write_device(text: str) -> dict[str, str]:
    path, *rest = text.split(":")
    inside = rest.pop(0) if rest and rest[0].startswith("/") else path
    return {
        "PathOnHost": path,
        "PathInContainer": inside,
        "CgroupPermissions": _device_mode(rest[0] if rest else "rwm"),
    }


def _device_mode(mode: str) -> str:
    """The engine's letters; `ro` is what people write for volumes, and v1 took it for devices too."""
    return "r" if mode == "ro" else mode


def read_devices(value: Any) -> list[str]:
    """The devices as `/dev/a:/dev/b:rwm`."""
    keys = ("PathOnHost", "PathInContainer", "CgroupPermissions")
    return [":".join(as_text(each.get(key)) for key in keys) for each in map(as_map, as_list(value))]


# What limits a block device: engine key -> (v1 name, attribute, the engine's word for the number).
BLOCK_DEVICE_KEYS = {
    "BlkioWeightDevice": ("weight", "weight", "Weight"),
    "BlkioDeviceReadBps": ("readBps", "read_bps", "Rate"),
    "BlkioDeviceWriteBps": ("writeBps", "write_bps", "Rate"),
    "BlkioDeviceReadIOps": ("readIops", "read_iops", "Rate"),
    "BlkioDeviceWriteIOps": ("writeIops", "write_iops", "Rate"),
}


def block_device_writer(attribute: str, unit: str) -> Callable[[Mapping[str, BlkioDevice]], list[dict[str, Any]]]:
    """What writes one kind of limit of all devices: engines have a list for each kind."""

    def write(devices: Mapping[str, BlkioDevice]) -> list[dict[str, Any]]:
        found = ((path, getattr(device, attribute)) for path, device in devices.items())
        return [{"Path": path, unit: value} for path, value in found if value is not None]

    return write


def read_block_devices(seen: Inspected) -> dict[str, dict[str, Any]]:
    """All limits of each device."""
    devices: dict[str, dict[str, Any]] = {}
    for key, (name, _attribute, unit) in BLOCK_DEVICE_KEYS.items():
        for each in map(as_map, as_list(seen.host.get(key))):
            devices.setdefault(as_text(each.get("Path")), {})[name] = each.get(unit)
    return devices
