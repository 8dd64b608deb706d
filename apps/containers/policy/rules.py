"""The host policy of an environment: which ways from a container to its host are open."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from apps.containers.launch.values import CAPABILITIES
from apps.core.errors import Invalid
from apps.core.fields import (
    WireObject,
    flag,
    list_of,
    plain_text,
    text,
    wire,
    wire_names_of,
)

# What engines grant every container by default: adding one of these opens nothing.
ENGINE_CAPABILITIES = (
    "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE NET_RAW SETFCAP SETGID SETPCAP SETUID "
    "SYS_CHROOT"
)

LOCAL_LOG_DRIVERS = ("json-file", "local", "journald", "none")  # the others have the engine connect to an address


def _capability(name: str, value: Any) -> str:
    found = plain_text(name, value).upper().removeprefix("CAP_")
    if found not in CAPABILITIES.split():
        raise Invalid(name, "InvalidOption", f"{found[:100]!r} is not a capability of Linux, such as NET_ADMIN.")
    return found


def _folder(name: str, value: Any) -> str:
    found = plain_text(name, value).strip()
    if not found.startswith("/") or ".." in found.split("/") or len(found) > 1024:
        raise Invalid(name, "InvalidFormat", f"{found[:100]!r} is not an absolute path, such as /srv/data.")
    return posixpath.normpath("/" + found.lstrip("/"))


_PATTERN = text(low=1, high=255, pattern=r"[A-Za-z0-9_.:/-]*\*?", hint="write a name, or its beginning and a *")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(WireObject):
    """What is allowed; by default nothing that makes a container root on its host.

    `bind_folders` are open even when `bind_mounts` at large are not; `cap_add` names what may be added (`ALL`:
    anything); `sysctls`, `volume_drivers` and `log_drivers` are names, or beginnings that end in `*`.
    """

    bind_mounts: bool = flag("bindMounts")
    bind_folders: tuple[str, ...] = wire("bindFolders", list_of(_folder, 100), ())
    privileged: bool = flag("privileged")
    host_network: bool = flag("hostNetwork")
    host_pid: bool = flag("hostPid")
    host_ipc: bool = flag("hostIpc")
    host_uts: bool = flag("hostUts")
    host_userns: bool = flag("hostUserns")
    devices: bool = flag("devices")
    cap_add: tuple[str, ...] = wire("capAdd", list_of(_capability, 100), tuple(ENGINE_CAPABILITIES.split()))
    sysctls: tuple[str, ...] = wire("sysctls", list_of(_PATTERN, 100), ())
    security_opt: bool = flag("securityOpt")
    volume_drivers: tuple[str, ...] = wire("volumeDrivers", list_of(_PATTERN, 100), ("local",))
    log_drivers: tuple[str, ...] = wire("logDrivers", list_of(_PATTERN, 100), LOCAL_LOG_DRIVERS)

    @classmethod
    def from_wire(cls, data: Any, at: str = "") -> Self:
        """Check what a client sent; an unknown rule is refused, because a misspelt one would silently not apply."""
        unknown = sorted(set(data) - set(wire_names_of(cls))) if isinstance(data, Mapping) else []
        if unknown:
            raise Invalid(f"{at}{unknown[0]}"[:100], "InvalidOption", f"There is no rule {unknown[0][:60]!r}.")
        return cls(**cls.read(data, at))

    def to_json(self) -> dict[str, Any]:
        """Store every rule, so that a decision outlives a change of the defaults."""
        return {name: [] if value is None else value for name, value in self.to_wire().items()}

    def allows_bind(self, path: str) -> bool:
        """Whether the folder (or file) `path` of the host may be mounted into a container."""
        if self.bind_mounts:
            return True
        whole = posixpath.normpath("/" + path.lstrip("/"))
        plain = ".." not in path.split("/")
        return plain and any(whole == each or whole.startswith(each.rstrip("/") + "/") for each in self.bind_folders)

    def allows_capability(self, capability: str) -> bool:
        """Whether a container may be given this capability."""
        return "ALL" in self.cap_add or capability.upper().removeprefix("CAP_") in self.cap_add


CLOSED = Policy(cap_add=(), volume_drivers=(), log_drivers=())  # what even this one allows, every policy allows
RESTRICTED = Policy()
PERMISSIVE = Policy(
    bind_mounts=True,
    privileged=True,
    host_network=True,
    host_pid=True,
    host_ipc=True,
    host_uts=True,
    host_userns=True,
    devices=True,
    cap_add=("ALL",),
    sysctls=("*",),
    security_opt=True,
    volume_drivers=("*",),
    log_drivers=("*",),
)


def matches(patterns: tuple[str, ...], name: str) -> bool:
    """Whether `name` equals a pattern, or starts with one that ends in `*`."""
    return any(name.startswith(each[:-1]) if each.endswith("*") else name == each for each in patterns)
