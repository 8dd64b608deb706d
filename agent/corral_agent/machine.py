"""The facts of the host: system, processors, memory and disks, in the units of the v1 API (MiB)."""

from __future__ import annotations

import ipaddress
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corral_agent.counters import read_meminfo

_MIB = 1024 * 1024
_MOST_ROUTES, _ROUTES_READ = 200, 256 * 1024
_MEMORY = {
    "memTotal": "MemTotal",
    "memFree": "MemFree",
    "memAvailable": "MemAvailable",
    "buffers": "Buffers",
    "cached": "Cached",
    "swapTotal": "SwapTotal",
    "swapFree": "SwapFree",
}


def read_host_facts(engine: Mapping[str, Any], proc: Path = Path("/proc")) -> dict[str, Any]:
    """All facts; `engine` is the engine's /info, empty while it is away."""
    return {
        "osInfo": read_os_info(engine),
        "cpuInfo": read_cpu_info(proc),
        "memoryInfo": {name: read_meminfo(proc).get(key, 0) // _MIB for name, key in _MEMORY.items()},
        "diskInfo": {"mountPoints": read_disk_info()},
        "networkInfo": {"routes": read_routes(proc)},
    }


def read_os_info(engine: Mapping[str, Any], release: Path = Path("/etc/os-release")) -> dict[str, Any]:
    """The host's system as the engine reports it, which is right inside a container too."""
    uname = os.uname()
    os_name = _read_os_release(release).get("PRETTY_NAME", uname.sysname)
    return {
        "operatingSystem": str(engine.get("OperatingSystem") or os_name),
        "kernelVersion": str(engine.get("KernelVersion") or uname.release),
        "dockerVersion": str(engine.get("ServerVersion") or ""),
        "architecture": str(engine.get("Architecture") or uname.machine),
        "hostname": str(engine.get("Name") or uname.nodename),
    }


def _read_os_release(path: Path) -> dict[str, str]:
    try:
        rows = [row.partition("=") for row in path.read_text().splitlines() if "=" in row]
        return {key: " ".join(shlex.split(value)) for key, _, value in rows}
    except (OSError, ValueError):
        return {}


def read_cpu_info(proc: Path) -> dict[str, Any]:
    """Number, model and speed of the processors, and the load averages."""
    text = (proc / "cpuinfo").read_text()
    fields = {key.strip(): value.strip() for key, _, value in (row.partition(":") for row in text.splitlines())}
    return {
        "count": os.cpu_count() or 1,
        "modelName": fields.get("model name", ""),
        "mhz": float(fields.get("cpu MHz") or 0),
        "loadAvg": [float(word) for word in (proc / "loadavg").read_text().split()[:3]],
    }


def read_routes(proc: Path) -> list[str]:
    """The IPv4 networks that the host reaches, but for the default route and Corral's own network."""
    try:
        with (proc / "net" / "route").open() as file:  # which has a million lines on a router of the internet
            rows = [line.split() for line in file.read(_ROUTES_READ).splitlines()[1:]]
    except OSError:
        return []
    found = {_network(row[1], row[7]) for row in rows if len(row) > 7 and not row[0].startswith("corral")}
    return sorted(found - {""})[:_MOST_ROUTES]


def _network(destination: str, mask: str) -> str:
    """The kernel's two hexadecimal numbers, the last byte first; empty for the default route and what is odd."""
    try:
        address, bits = (int.from_bytes(bytes.fromhex(text), "little") for text in (destination, mask))
        return str(ipaddress.IPv4Network((address, bits.bit_count()))) if bits else ""
    except ValueError:
        return ""


def read_disk_info(
    paths: tuple[str, ...] = ("/", "/var/lib/docker", "/var/lib/rancher"),
) -> dict[str, dict[str, float]]:
    """The file systems that matter here, each once; seen from inside a container, `/` is the engine's disk."""
    found: dict[str, dict[str, float]] = {}
    seen = set()
    for path in paths:
        try:
            device, stat = Path(path).stat().st_dev, os.statvfs(path)
        except OSError:
            continue
        if device not in seen:
            seen.add(device)
            found[path] = _disk_usage(stat)
    return found


def _disk_usage(stat: os.statvfs_result) -> dict[str, float]:
    total, free = stat.f_blocks * stat.f_frsize, stat.f_bavail * stat.f_frsize
    used = total - stat.f_bfree * stat.f_frsize
    percent = round(100 * used / (used + free), 2) if used + free else 0.0
    return {"total": total // _MIB, "used": used // _MIB, "free": free // _MIB, "percentUsed": percent}
