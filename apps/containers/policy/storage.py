"""The rules about folders of the host, whichever key asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.containers.policy.rules import Policy, matches

_FILE_SCHEMES = ("unix://", "unixgram://", "file://")


def _check_bind(policy: Policy, path: str) -> Iterator[str]:
    if not policy.allows_bind(path):
        yield f"the host's {path[:100]} may not be mounted"


def check_binds(policy: Policy, value: Iterable[str]) -> Iterator[str]:
    """Check `source:path[:mode]`: a source with a slash is a folder of the host, any other a named volume."""
    for each in value:
        source = each.split(":")[0]
        if "/" in source:
            yield from _check_bind(policy, source)


def check_mounts(policy: Policy, value: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Check the long form: binds, volumes (with the options of their driver) and memory."""
    for each in value:
        kind, source = each.get("Type"), str(each.get("Source") or "")
        if kind == "bind" or (kind == "volume" and "/" in source):
            yield from _check_bind(policy, source)
        elif kind not in {"volume", "tmpfs"}:
            yield f"mounts of the type {str(kind)[:40]!r} are not known"
        driver_config = (each.get("VolumeOptions") or {}).get("DriverConfig") or {}
        yield from check_volume(policy, str(driver_config.get("Name") or ""), driver_config.get("Options") or {})


def check_volume(policy: Policy, driver: str, options: Mapping[str, str]) -> Iterator[str]:
    """Check a volume's driver and options: the local driver's `o=bind` is a bind mount by another name."""
    if driver and driver != "local" and not matches(policy.volume_drivers, driver):
        yield f"the volume driver {driver[:60]!r} is not on the list"
    if not options:
        return
    bind = {"bind", "rbind"} & {word.strip() for word in str(options.get("o", "")).split(",")}
    device = str(options.get("device", ""))
    if bind or (device.startswith("/") and not device.startswith("/dev/")):
        yield from _check_bind(policy, device or "/")
    elif not policy.bind_mounts:
        yield "options of volume drivers may not be set, because they can lead to the host's folders"


def check_log(policy: Policy, value: Mapping[str, Any]) -> Iterator[str]:
    """Check the options of log drivers that name a file or socket of the host."""
    for text in map(str, (value.get("Config") or {}).values()):
        scheme = next((each for each in _FILE_SCHEMES if text.startswith(each)), "")
        if scheme or text.startswith("/"):
            yield from _check_bind(policy, text.removeprefix(scheme))
