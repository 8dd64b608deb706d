"""From a launch configuration to what an engine is told, and back from what an engine shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.containers.launch.config import (
    BlkioDevice,
    DockerHealthCheck,
    LaunchConfig,
    Port,
)

NANOSECONDS_PER_MS = 1_000_000  # in a millisecond
ENGINE_SHM_SIZE = 64 * 1024 * 1024

# What an engine shows under a name of its own and otherwise as v1 has it.
_PROCESS_FIELDS = {
    "command": "Cmd",
    "entryPoint": "Entrypoint",
    "labels": "Labels",
    "domainName": "Domainname",
    "user": "User",
    "workingDir": "WorkingDir",
    "tty": "Tty",
    "stdinOpen": "OpenStdin",
    "stopSignal": "StopSignal",
    "stopTimeout": "StopTimeout",
}
_HOST_FIELDS = {
    "memory": "Memory",
    "memorySwap": "MemorySwap",
    "memoryReservation": "MemoryReservation",
    "cpuShares": "CpuShares",
    "cpuSet": "CpusetCpus",
    "cpuPeriod": "CpuPeriod",
    "cpuQuota": "CpuQuota",
    "nanoCpus": "NanoCpus",
    "pidsLimit": "PidsLimit",
    "blkioWeight": "BlkioWeight",
    "capAdd": "CapAdd",
    "capDrop": "CapDrop",
    "groupAdd": "GroupAdd",
    "securityOpt": "SecurityOpt",
    "readOnly": "ReadonlyRootfs",
    "sysctls": "Sysctls",
    "tmpfs": "Tmpfs",
    "runInit": "Init",
    "privileged": "Privileged",
    "publishAllPorts": "PublishAllPorts",
    "dns": "Dns",
    "dnsSearch": "DnsSearch",
    "dnsOpt": "DnsOptions",
    "extraHosts": "ExtraHosts",
    "pidMode": "PidMode",
}
_BLOCK_FIELDS = {
    "weight": ("BlkioWeightDevice", "Weight"),
    "readBps": ("BlkioDeviceReadBps", "Rate"),
    "writeBps": ("BlkioDeviceWriteBps", "Rate"),
    "readIops": ("BlkioDeviceReadIOps", "Rate"),
    "writeIops": ("BlkioDeviceWriteIOps", "Rate"),
}


def engine_body(
    config: LaunchConfig,
    *,
    labels: Mapping[str, str],
    network: str | None = None,
    aliases: Sequence[str] = (),
    hostname: str | None = None,
    links: Sequence[str] = (),
    peer: str | None = None,
    volumes_from: Sequence[str] = (),
) -> dict[str, Any]:
    """The Engine API's create body, made of known fields only: what is not written here is never asked of an engine.

    `labels` win over the configuration's own; `network` and `aliases` serve the managed mode; `peer` is the engine's id
    of the container whose network is shared; `links` are `container:alias`; `volumes_from` are engine ids.
    """
    shared = config.network_mode == "container"
    body = _process(config) | {
        "Labels": {**config.labels, **labels},
        "Hostname": None if shared else hostname or config.hostname,
        "Domainname": None if shared else config.domain_name,
        "ExposedPorts": {} if shared else _exposed_ports(config),
    }
    managed = config.network_mode == "managed" and bool(network)
    mode = f"container:{peer}" if shared else network if managed else config.network_mode.replace("managed", "bridge")
    host = _resources(config) | _security(config) | _storage(config, volumes_from) | {"NetworkMode": mode}
    if not shared:
        host |= _names_and_bindings(config) | {"Links": [] if managed else list(links)}
    body["HostConfig"] = _drop_empty(host)
    if managed:
        endpoint = _drop_empty({"Aliases": list(aliases), "Links": list(links)})
        body["NetworkingConfig"] = {"EndpointsConfig": {network: endpoint}}
    return _drop_empty(body)


def _drop_empty(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing; zero and false say something."""
    return {name: value for name, value in values.items() if value is not None and value not in ("", [], {})}


def _process(config: LaunchConfig) -> dict[str, Any]:
    """What runs, and as whom."""
    return {
        "Image": config.image,
        "Cmd": list(config.command),
        "Entrypoint": list(config.entry_point),
        "Env": [f"{name}={value}" for name, value in config.environment.items()],
        "User": config.user,
        "WorkingDir": config.working_dir,
        "Tty": config.tty,
        "OpenStdin": config.stdin_open,
        "StopSignal": config.stop_signal,
        "StopTimeout": config.stop_timeout,
        "Healthcheck": _health(config.docker_health_check),
        "Volumes": {each.path: {} for each in config.data_volumes if not each.source},
    }


def _health(check: DockerHealthCheck | None) -> dict[str, Any] | None:
    if check is None:
        return None
    return {
        "Test": list(check.test),
        "Interval": check.interval * NANOSECONDS_PER_MS,
        "Timeout": check.timeout * NANOSECONDS_PER_MS,
        "StartPeriod": check.start_period * NANOSECONDS_PER_MS,
        "Retries": check.retries,
    }


def _exposed_ports(config: LaunchConfig) -> dict[str, Any]:
    return {f"{port.private}/{port.protocol}": {} for port in (*config.expose, *config.published)}


def _port_bindings(ports: Iterable[Port]) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        binding = {"HostPort": str(port.public or "")} | ({"HostIp": port.address} if port.address else {})
        found.setdefault(f"{port.private}/{port.protocol}", []).append(binding)
    return found


def _names_and_bindings(config: LaunchConfig) -> dict[str, Any]:
    """What an engine refuses for a container that shares another's network."""
    return {
        "PortBindings": _port_bindings(config.published),
        "PublishAllPorts": config.publish_all_ports,
        "Dns": list(config.dns),
        "DnsSearch": list(config.dns_search),
        "DnsOptions": list(config.dns_options),
        "ExtraHosts": list(config.extra_hosts),
    }


def _resources(config: LaunchConfig) -> dict[str, Any]:
    """How much of the machine it may use."""
    return {
        "Memory": config.memory,
        "MemorySwap": config.memory_swap,
        "MemoryReservation": config.memory_reservation,
        "CpuShares": config.cpu_shares,
        "CpusetCpus": config.cpu_set,
        "CpuPeriod": config.cpu_period,
        "CpuQuota": config.cpu_quota,
        "NanoCpus": config.nano_cpus,
        "PidsLimit": config.pids_limit,
        "ShmSize": config.shm_size,
        "BlkioWeight": config.blkio_weight,
        "Ulimits": [
            {"Name": each.name, "Soft": each.soft, "Hard": each.soft if each.hard is None else each.hard}
            for each in config.ulimits
        ],
    } | _block_devices(config.blkio_devices)


def _block_devices(devices: Mapping[str, BlkioDevice]) -> dict[str, Any]:
    def rates(attribute: str, key: str = "Rate") -> list[dict[str, Any]]:
        found = ((path, getattr(device, attribute)) for path, device in devices.items())
        return [{"Path": path, key: value} for path, value in found if value is not None]

    return {
        "BlkioWeightDevice": rates("weight", "Weight"),
        "BlkioDeviceReadBps": rates("read_bps"),
        "BlkioDeviceWriteBps": rates("write_bps"),
        "BlkioDeviceReadIOps": rates("read_iops"),
        "BlkioDeviceWriteIOps": rates("write_iops"),
    }


def _security(config: LaunchConfig) -> dict[str, Any]:
    """What it may do to the machine."""
    return {
        "Privileged": config.privileged,
        "CapAdd": list(config.cap_add),
        "CapDrop": list(config.cap_drop),
        "Devices": [_device(each) for each in config.devices],
        "GroupAdd": list(config.group_add),
        "SecurityOpt": list(config.security_opt),
        "PidMode": config.pid_mode,
        "IpcMode": config.ipc_mode,
        "ReadonlyRootfs": config.read_only,
        "Sysctls": dict(config.sysctls),
        "Init": config.run_init,
    }


def _device(text: str) -> dict[str, str]:
    path, *rest = text.split(":")
    inside = rest.pop(0) if rest and rest[0].startswith("/") else path
    return {"PathOnHost": path, "PathInContainer": inside, "CgroupPermissions": rest[0] if rest else "rwm"}


def _storage(config: LaunchConfig, volumes_from: Sequence[str]) -> dict[str, Any]:
    """What it keeps, where its output goes, and what happens when it ends."""
    log, restart = config.log_config, config.restart_policy
    retries = {"MaximumRetryCount": restart.maximum_retry_count} if restart and restart.name == "on-failure" else {}
    return {
        "Binds": [str(each) for each in config.data_volumes if each.source],
        "VolumesFrom": list(volumes_from),
        "VolumeDriver": config.volume_driver,
        "Tmpfs": dict(config.tmpfs),
        "LogConfig": _drop_empty({"Type": log.driver, "Config": dict(log.config)}) if log else None,
        "RestartPolicy": {"Name": restart.name, **retries} if restart else None,
    }


def config_from_inspect(raw: Mapping[str, Any]) -> LaunchConfig:
    """What a container made outside Corral was made from, as far as its inspect answer (or create body) tells.

    Never raises: what cannot be expressed is left out. The same input gives the same output.
    """
    process, host = _map(raw.get("Config")), _map(raw.get("HostConfig"))
    found = {name: process.get(key) or None for name, key in _PROCESS_FIELDS.items()}
    found |= {name: host.get(key) or None for name, key in _HOST_FIELDS.items()}
    image, hostname = _text(process.get("Image")), _text(process.get("Hostname"))
    shm_size = host.get("ShmSize")
    ports, exposed = _read_ports(process, host)
    found |= {
        "imageUuid": image if image.startswith("sim:") else f"docker:{image}",
        "hostname": None if not hostname or _text(raw.get("Id")).startswith(hostname) else hostname,
        "environment": dict(_text(each).partition("=")[::2] for each in _list(process.get("Env"))),
        "ports": ports,
        "expose": exposed,
        "dataVolumes": _read_volumes(process, host),
        "volumeDriver": host.get("VolumeDriver") or process.get("VolumeDriver") or None,
        "shmSize": None if shm_size == ENGINE_SHM_SIZE else shm_size or None,
        "ipcMode": "host" if host.get("IpcMode") == "host" else None,
    }
    return LaunchConfig.from_wire_lenient(
        found | _read_objects(process, host) | _read_network(_text(host.get("NetworkMode")))
    )


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _read_network(mode: str) -> dict[str, Any]:
    if mode.startswith("container:"):
        return {"networkMode": "container", "networkContainerId": mode.partition(":")[2] or None}
    return {"networkMode": mode if mode in {"host", "none"} else "bridge"}


def _read_ports(process: Mapping[str, Any], host: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The published ports, and those that are only exposed."""
    published: dict[str, None] = {}
    bound = _map(host.get("PortBindings"))
    for private in sorted(bound):
        for binding in map(_map, _list(bound[private]) or [{}]):
            address = _text(binding.get("HostIp"))
            address = "" if address in {"", "0.0.0.0", "::"} else f"[{address}]:" if ":" in address else f"{address}:"  # noqa: S104
            public = _text(binding.get("HostPort"))
            published[f"{address}{public}{':' if address or public else ''}{private}"] = None
    return list(published), [each for each in sorted(_map(process.get("ExposedPorts"))) if each not in bound]


def _read_volumes(process: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    found = [_text(each) for each in _list(host.get("Binds"))]
    for mount in map(_map, _list(host.get("Mounts"))):
        if _text(mount.get("Type")) in {"bind", "volume"}:
            parts = [_text(mount.get("Source")), _text(mount.get("Target")), "ro" if mount.get("ReadOnly") else ""]
            found.append(":".join(part for part in parts if part))
    taken = {part for each in found for part in each.split(":")}
    return found + [path for path in sorted(_map(process.get("Volumes"))) if path not in taken]


def _read_objects(process: Mapping[str, Any], host: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are objects of their own."""
    health, log, restart = (
        _map(process.get("Healthcheck")),
        _map(host.get("LogConfig")),
        _map(host.get("RestartPolicy")),
    )
    times = {"interval": "Interval", "timeout": "Timeout", "startPeriod": "StartPeriod"}
    devices: dict[str, dict[str, Any]] = {}
    for name, (key, unit) in _BLOCK_FIELDS.items():
        for each in map(_map, _list(host.get(key))):
            devices.setdefault(_text(each.get("Path")), {})[name] = each.get(unit)
    return {
        "dockerHealthCheck": {"test": health.get("Test"), "retries": health.get("Retries")}
        | {name: _number(health.get(key)) // NANOSECONDS_PER_MS for name, key in times.items()}
        if health
        else None,
        "logConfig": {"driver": log.get("Type") or None, "config": log.get("Config")} if log else None,
        "restartPolicy": {"name": restart["Name"], "maximumRetryCount": restart.get("MaximumRetryCount")}
        if restart.get("Name")
        else None,
        "ulimits": [
            {"name": each.get("Name"), "soft": each.get("Soft"), "hard": each.get("Hard")}
            for each in map(_map, _list(host.get("Ulimits")))
        ],
        "devices": [
            ":".join(_text(each.get(key)) for key in ("PathOnHost", "PathInContainer", "CgroupPermissions"))
            for each in map(_map, _list(host.get("Devices")))
        ],
        "blkioDeviceOptions": devices,
    }


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0
