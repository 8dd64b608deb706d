"""What a Docker engine refuses when a container is made, in its words; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from apps.drivers.base import EngineRefused

_NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_POLICIES = {"", "no", "always", "unless-stopped", "on-failure"}
_MIN_MEMORY = 6 * 1024 * 1024

Json = Mapping[str, Any]


def validate_create(name: str, body: Json) -> None:
    """Raise `EngineRefused` for a request that the engine would answer with HTTP status 400."""
    host = body.get("HostConfig") or {}
    if not _NAME.fullmatch(name):
        raise EngineRefused(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    if not body.get("Image"):
        raise EngineRefused("No command specified")
    _validate_process(body)
    _validate_ports(host.get("PortBindings") or {})
    _validate_binds(host.get("Binds") or ())
    _validate_limits(host)


def _validate_process(body: Json) -> None:
    for entry in body.get("Env") or ():
        if not entry or entry.startswith("="):
            raise EngineRefused(f"invalid environment variable: {entry}")
    workdir = body.get("WorkingDir") or "/"
    if not workdir.startswith("/"):
        raise EngineRefused(f"the working directory '{workdir}' is invalid, it needs to be an absolute path")


def _validate_ports(bindings: Json) -> None:
    for key, binds in bindings.items():
        for port in (key.partition("/")[0], *(str(bind.get("HostPort") or "0") for bind in binds or ())):
            if not port.isdecimal() or int(port) > 65535:
                raise EngineRefused(f'invalid port specification: "{port}"')


def _validate_binds(binds: Any) -> None:
    seen = set()
    for bind in binds:
        source, _, rest = bind.partition(":")
        target, _, mode = rest.partition(":")
        if not target.startswith("/"):
            raise EngineRefused(f"invalid volume specification: '{bind}': mount path must be absolute")
        if not source.startswith("/") and not _VOLUME.fullmatch(source):
            raise EngineRefused(f'create {source}: "{source}" includes invalid characters for a local volume name')
        if set(filter(None, mode.split(","))) - {"ro", "rw", "z", "Z", "nocopy", "rshared", "rslave", "rprivate"}:
            raise EngineRefused(f"invalid mode: {mode}")
        if target in seen:
            raise EngineRefused(f"Duplicate mount point: {target}")
        seen.add(target)


def _validate_limits(host: Json) -> None:
    memory = host.get("Memory") or 0
    policy = (host.get("RestartPolicy") or {}).get("Name") or ""
    if 0 < memory < _MIN_MEMORY:
        raise EngineRefused("Minimum memory limit allowed is 6MB")
    if memory and 0 < (host.get("MemorySwap") or 0) < memory:
        raise EngineRefused("Minimum memoryswap limit should be larger than memory limit, see usage")
    if policy not in _POLICIES:
        raise EngineRefused(f"invalid restart policy '{policy}'")
    if host.get("AutoRemove") and policy not in {"", "no"}:
        raise EngineRefused("can't create 'AutoRemove' container with restart policy")


def tagged_name(image: str) -> str:
    """An image's name with its tag."""
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def ports_conflict(one: tuple[str, int, str], other: tuple[str, int, str]) -> bool:
    """Whether two published (address, port, protocol) cannot stand side by side."""
    everywhere = {"", "0.0.0.0", "::"}  # noqa: S104  # compared with, not listened on
    return one[1:] == other[1:] and (one[0] == other[0] or bool({one[0], other[0]} & everywhere))
