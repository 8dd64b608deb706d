"""What a Docker engine refuses when a container is created, in its own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from simulated_engine.errors import bad_request

_NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_POLICIES = {"", "no", "always", "unless-stopped", "on-failure"}
_MODES = {"ro", "rw", "z", "Z", "nocopy", "rshared", "rslave", "rprivate"}
_MIN_MEMORY = 6 * 1024 * 1024
_ALL_ADDRESSES = {"", "0.0.0.0", "::"}  # noqa: S104  # compared with, not listened on

Json = Mapping[str, Any]
PublishedPort = tuple[str, int, str]


def validate_name(text: str) -> str:
    """A container's name without its leading slash. Raises `EngineApiError`."""
    if not _NAME.fullmatch(text):
        raise bad_request(f"Invalid container name ({text}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return text.lstrip("/")


def validate_body(body: Json) -> None:
    """Check a create request's body. Raises `EngineApiError`."""
    host = body.get("HostConfig") or {}
    if not body.get("Image"):
        raise bad_request("No command specified")
    _validate_process(body)
    _validate_ports(host.get("PortBindings") or {})
    _validate_binds(host.get("Binds") or ())
    _validate_limits(host)
    if host.get("UTSMode") == "host" and body.get("Hostname"):
        raise bad_request("conflicting options: hostname and the UTS mode")


def _validate_process(body: Json) -> None:
    for entry in body.get("Env") or ():
        if not entry or entry.startswith("="):
            raise bad_request(f"invalid environment variable: {entry}")
    workdir = body.get("WorkingDir") or "/"
    if not workdir.startswith("/"):
        raise bad_request(f"the working directory '{workdir}' is invalid, it needs to be an absolute path")


def _validate_ports(bindings: Json) -> None:
    for key, binds in bindings.items():
        public = [part for bind in binds or () for part in str(bind.get("HostPort") or "0").split("-", 1)]
        for port in (key.partition("/")[0], *public):
            if not port.isdecimal() or int(port) > 65535:
                raise bad_request(f'invalid port specification: "{port}"')


def _validate_binds(binds: Any) -> None:
    seen = set()
    for bind in binds:
        source, _, rest = bind.partition(":")
        target, _, mode = rest.partition(":")
        if not target.startswith("/"):
            raise bad_request(f"invalid volume specification: '{bind}': mount path must be absolute")
        if not source.startswith("/") and not _VOLUME.fullmatch(source):
            raise bad_request(f'create {source}: "{source}" includes invalid characters for a local volume name')
        if set(filter(None, mode.split(","))) - _MODES:
            raise bad_request(f"invalid mode: {mode}")
        if target in seen:
            raise bad_request(f"Duplicate mount point: {target}")
        seen.add(target)


def _validate_limits(host: Json) -> None:
    memory = host.get("Memory") or 0
    policy = (host.get("RestartPolicy") or {}).get("Name") or ""
    if 0 < memory < _MIN_MEMORY:
        raise bad_request("Minimum memory limit allowed is 6MB")
    if memory and 0 < (host.get("MemorySwap") or 0) < memory:
        raise bad_request("Minimum memoryswap limit should be larger than memory limit, see usage")
    if policy not in _POLICIES:
        raise bad_request(f"invalid restart policy '{policy}'")
    if (runtime := host.get("Runtime") or "runc") != "runc":
        raise bad_request(f"Unknown runtime specified {runtime}")
    if host.get("AutoRemove") and policy not in {"", "no"}:
        raise bad_request("can't create 'AutoRemove' container with restart policy")


def ports_conflict(one: PublishedPort, other: PublishedPort) -> bool:
    """Whether two published (address, port, protocol) cannot be bound side by side."""
    return one[1:] == other[1:] and (one[0] == other[0] or bool({one[0], other[0]} & _ALL_ADDRESSES))
