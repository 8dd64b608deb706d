"""Permissions and the four roles as data: a role is a set of permissions (v1 contract, section 3.1)."""

from __future__ import annotations

PERMISSIONS: dict[str, str] = {
    "view": "see what is in the environment",
    "logs": "read the logs of containers",
    "values": "see environment variables' values",
    "operate": "create and change stacks, services and containers, start and stop them",
    "delete": "delete stacks, services and containers",
    "exec": "open a shell in a container",
    "keys": "manage API keys of the environment",
    "hosts": "add, change and delete hosts",
    "own": "rename, deactivate and delete the environment and choose its members",
}

_READ = frozenset({"view", "logs"})
_WORK = _READ | {"values", "operate", "delete", "exec", "keys"}

ROLES: dict[str, frozenset[str]] = {
    "owner": frozenset(PERMISSIONS),
    "member": _WORK | {"hosts"},
    "restricted": _WORK,
    "readonly": _READ,
}
RANK = {role: rank for rank, role in enumerate(ROLES)}


def highest(roles: list[str]) -> str | None:
    """The role that outranks the others (owner first), or None for no role at all."""
    known = [role for role in roles if role in RANK]
    return min(known, key=RANK.__getitem__) if known else None
