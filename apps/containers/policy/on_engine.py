"""What only the engine knows of a container's ways to its host: what other containers lend, where volumes lead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from apps.containers.policy.check import PolicyViolation, SharedResources
from apps.containers.policy.rules import Policy
from apps.containers.policy.storage import VolumeSource, check_bind, check_volume
from apps.drivers.base import Driver, EngineContainer, EngineNotFound

_MAX_NETWORK_DEPTH = 8


def shared_resources(engine: Driver, reference: str) -> SharedResources | None:
    """Return what a container on the engine lends, whoever made it; None if it is not there."""
    seen = _inspect(engine, reference)
    if seen is None:
        return None
    folders = tuple(each.source for each in seen.mounts if each.kind == "bind")
    sources = _volume_sources(engine, (each.name for each in seen.mounts if each.kind == "volume"))
    return SharedResources(folders, _uses_host_network(engine, seen), tuple(sources.values()))


def named_volumes(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The volumes that a create body names; those the engine makes for it have nothing to lead anywhere."""
    host = body.get("HostConfig") or {}
    sources = [str(each).split(":")[0] for each in host.get("Binds") or ()]
    sources += [str(each.get("Source") or "") for each in host.get("Mounts") or () if each.get("Type") == "volume"]
    return tuple(dict.fromkeys(each for each in sources if each and "/" not in each))


def check_named_volumes(engine: Driver, policy: Policy, names: Iterable[str]) -> Iterator[PolicyViolation]:
    """Check volumes that exist: somebody may have made one at the engine that is a folder of the host."""
    for name, source in _volume_sources(engine, names).items():
        for why in check_volume(policy, source.driver, source.options):
            yield PolicyViolation("dataVolumes", f"the volume {name[:60]} is not an ordinary one: {why}")


def check_mounts_of(engine: Driver, policy: Policy, seen: EngineContainer) -> Iterator[PolicyViolation]:
    """Check what a container really mounts, by whatever name it was asked for."""
    for each in seen.mounts:
        if each.kind == "bind":
            yield from (PolicyViolation("dataVolumes", why) for why in check_bind(policy, each.source))
    yield from check_named_volumes(engine, policy, (each.name for each in seen.mounts if each.kind == "volume"))


def _volume_sources(engine: Driver, names: Iterable[str]) -> dict[str, VolumeSource]:
    """The driver and options of the volumes that exist."""
    found = ((name, engine.find_volume(name)) for name in dict.fromkeys(names) if name)
    return {name: VolumeSource(volume.driver, volume.options) for name, volume in found if volume is not None}


def _inspect(engine: Driver, reference: str) -> EngineContainer | None:
    try:
        return engine.inspect(reference)
    except EngineNotFound:
        return None


def _uses_host_network(engine: Driver, seen: EngineContainer | None) -> bool:
    """Whether a container's network is the host's, itself or through those whose network it shares."""
    for _ in range(_MAX_NETWORK_DEPTH):
        if seen is None:
            return False
        mode = str((seen.raw.get("HostConfig") or {}).get("NetworkMode", ""))
        if not mode.startswith("container:"):
            return mode == "host"
        seen = _inspect(engine, mode.partition(":")[2])
    return True
