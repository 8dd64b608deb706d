"""`POST /v1/scripts/transform`: an engine's description of a container as a launch configuration.

rancher-compose hashes the response: equal requests must get equal bytes (v1 contract, section 6.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.api.wire.fields import check_object
from apps.core.errors import Invalid

_IMAGE_PREFIXES = ("docker:", "sim:")
_CONFIG_KEYS = {
    "hostname": "Hostname",
    "domainName": "Domainname",
    "user": "User",
    "workingDir": "WorkingDir",
    "command": "Cmd",
    "entryPoint": "Entrypoint",
    "labels": "Labels",
    "tty": "Tty",
    "stdinOpen": "OpenStdin",
    "memory": "Memory",
    "memorySwap": "MemorySwap",
    "cpuShares": "CpuShares",
    "cpuSet": "Cpuset",
    "volumeDriver": "VolumeDriver",
    "stopSignal": "StopSignal",
}
_HOST_CONFIG_KEYS = {
    "memory": "Memory",
    "memorySwap": "MemorySwap",
    "cpuShares": "CpuShares",
    "cpuSet": "CpusetCpus",
    "capAdd": "CapAdd",
    "capDrop": "CapDrop",
    "dns": "Dns",
    "dnsSearch": "DnsSearch",
    "extraHosts": "ExtraHosts",
    "privileged": "Privileged",
    "publishAllPorts": "PublishAllPorts",
    "readOnly": "ReadonlyRootfs",
    "securityOpt": "SecurityOpt",
    "pidMode": "PidMode",
    "volumeDriver": "VolumeDriver",
}


def transform(body: Any) -> dict[str, Any]:
    """The launch configuration of an engine's description; raises `Invalid` if the body is not one."""
    description = check_object("body", body)
    config, host = _section(description, "Config"), _section(description, "HostConfig")
    image = config.get("Image")
    if not isinstance(image, str) or not image:
        raise Invalid("Config.Image", "MissingRequired", "Config.Image is required.")
    found: dict[str, Any] = {
        "imageUuid": image if image.startswith(_IMAGE_PREFIXES) else f"docker:{image}",
        **_copy_keys(config, _CONFIG_KEYS),
        **_copy_keys(host, _HOST_CONFIG_KEYS),
        "environment": _environment(config.get("Env")),
        "dataVolumes": [*_sorted_keys(config.get("Volumes")), *_string_list(host.get("Binds"))],
        "ports": _ports(host.get("PortBindings")),
        "devices": _devices(host.get("Devices")),
        "restartPolicy": _restart(_section(host, "RestartPolicy")),
        "logConfig": _log(_section(host, "LogConfig")),
        "networkMode": _network(host.get("NetworkMode")),
    }
    published = {port.rpartition(":")[2] for port in found["ports"]}
    found["expose"] = [port for port in _sorted_keys(config.get("ExposedPorts")) if port not in published]
    name = str(description.get("Name") or "").removeprefix("/")
    return {"type": "container", **({"name": name} if name else {}), **_drop_empty(found)}


def _section(description: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = description.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise Invalid(name, "InvalidFormat", f"{name} must be an object.")
    return found or {}


def _drop_empty(found: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out empty values and zeros, but keep `false`."""
    return {name: value for name, value in found.items() if value not in (None, "", [], {}, 0) or value is False}


def _copy_keys(description: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {name: description[key] for name, key in names.items() if description.get(key)}


def _string_list(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _sorted_keys(value: Any) -> list[str]:
    return sorted(value) if isinstance(value, Mapping) else []


def _environment(lines: Any) -> dict[str, str]:
    return {line.partition("=")[0]: line.partition("=")[2] for line in _string_list(lines)}


def _ports(bindings: Any) -> list[str]:
    """`8080:80/tcp` for every binding; only the private port where the engine chooses."""
    if not isinstance(bindings, Mapping):
        return []
    found = []
    for private in sorted(bindings):
        for each in _host_bindings(bindings[private]):
            address, public = (str(each.get(key) or "") for key in ("HostIp", "HostPort"))
            public = "" if public == "0" else public  # the engine's choice, as v1 writes it by leaving it out
            front = f"[{address}]:" if ":" in address else f"{address}:" if address else ""
            found.append(f"{front}{public}:{private}" if public or address else private)
    return found


def _host_bindings(found: Any) -> list[Mapping[str, Any]]:
    """The bindings of a private port; one empty binding if the engine is to choose."""
    rows = found or [{}]
    if not isinstance(rows, list) or not all(isinstance(each, Mapping) for each in rows):
        raise Invalid("HostConfig.PortBindings", "InvalidFormat", "A port is bound to a list of HostIp and HostPort.")
    return rows


def _devices(devices: Any) -> list[str]:
    names = ("PathOnHost", "PathInContainer", "CgroupPermissions")
    rows = devices if isinstance(devices, list) else []
    return [":".join(str(each[name]) for name in names if each.get(name)) for each in rows if isinstance(each, Mapping)]


def _restart(policy: Mapping[str, Any]) -> dict[str, Any] | None:
    if not policy.get("Name"):
        return None
    return {"name": policy["Name"], "maximumRetryCount": policy.get("MaximumRetryCount") or 0}


def _log(config: Mapping[str, Any]) -> dict[str, Any]:
    """Always an object: clients written in Go read its `config` without asking whether it is there."""
    return {"driver": config.get("Type") or "", "config": dict(_section(config, "Config"))}


def _network(mode: Any) -> str:
    text = str(mode or "")
    if text.startswith("container:"):
        raise Invalid("HostConfig.NetworkMode", "InvalidOption", "container: networks cannot be transformed.")
    return "bridge" if text in {"", "default"} else text
