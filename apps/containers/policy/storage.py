"""The rules about folders of the host, whichever key asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.containers.policy.rules import Policy, matches

_BIND_TYPES = frozenset({"", "none", "bind"})
_BIND_WORDS = frozenset({"bind", "rbind", "ro", "rw", "nosuid", "nodev", "noexec", "relatime", "noatime"})


@dataclass(frozen=True, slots=True)
class VolumeSource:
    """What a volume on an engine is made of: its driver, and the driver's options."""

    driver: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def check_bind(policy: Policy, path: str) -> Iterator[str]:
    """Check a folder or file of the host, by whatever way it is reached."""
    if not policy.allows_bind(path):
        yield f"the host's {path[:100]} may not be mounted"


def check_binds(policy: Policy, value: Iterable[str]) -> Iterator[str]:
    """Check `source:path[:mode]`: a source with a slash is a folder of the host, any other a named volume."""
    for each in value:
        source = each.split(":")[0]
        if "/" in source:
            yield from check_bind(policy, source)


def check_mounts(policy: Policy, value: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Check the long form: binds, volumes (with the options of their driver) and memory."""
    for each in value:
        kind, source = each.get("Type"), str(each.get("Source") or "")
        if kind == "bind" or (kind == "volume" and "/" in source):
            yield from check_bind(policy, source)
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
    words = {word.strip() for word in str(options.get("o", "")).split(",") if word.strip()}
    is_bind = str(options.get("type", "")) in _BIND_TYPES and words & {"bind", "rbind"} and words <= _BIND_WORDS
    if is_bind and set(options) <= {"type", "o", "device"}:
        yield from check_bind(policy, str(options.get("device") or "/"))
    elif not policy.bind_mounts:  # overlays, devices and other machines' exports included
        yield "options of volume drivers may not be set, because they can lead to the host's folders"
