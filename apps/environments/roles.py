"""Permissions and the four built-in roles as data: a role is a set of permissions (v1 contract, section 3.1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

PERMISSIONS: dict[str, str] = {
    "view": "see what is in the environment",
    "logs": "read the logs of containers",
    "values": "see environment variables' values",
    "operate": "create and change stacks, services and containers, start and stop them",
    "delete": "delete stacks, services, containers and volumes",
    "exec": "open a shell in a container",
    "engine": "use the Docker API of hosts, about the environment's own containers",
    "browse": "list and download the files in volumes",
    "images": "download, import and build images of hosts",
    "keys": "manage API keys of the environment",
    "hosts": "add, change and delete hosts",
    "catalogs": "add, change and delete catalogs of templates",
    "lock": "lock and unlock stacks and services",
    "approve": "approve promotions into the environment",
    "members": "choose the environment's members",
    "own": "rename, deactivate and delete the environment",
}

_READ = frozenset({"view", "logs"})
_WORK = _READ | {"values", "operate", "delete", "exec", "browse", "keys"}

ROLES: dict[str, frozenset[str]] = {
    "owner": frozenset(PERMISSIONS),
    "member": _WORK | {"images", "hosts", "lock", "approve"},
    "restricted": _WORK,
    "readonly": _READ,
}
RANK = {role: rank for rank, role in enumerate(ROLES)}

RESERVED_NAMES = frozenset({*ROLES, "user", "admin", "readAdmin", "token", "service", "agent", "register", "none"})
"""Names with another meaning, here or on the v1 wire."""


def highest_role(roles: Iterable[str], known: Mapping[str, frozenset[str]] = ROLES) -> str | None:
    """The role that outranks the others (owner first, then whoever holds more), or None for no role at all."""
    found = sorted({role for role in roles if role in known}, key=lambda role: (-len(known[role]), role))
    return found[0] if found else None


def permissions_label(held: frozenset[str], roles: Collection[str] = ()) -> str:
    """A name for these permissions: the one role that they come from, else the built-in role with exactly them."""
    if len(roles) == 1:
        return next(iter(roles))
    same = next((role for role, needs in ROLES.items() if needs == held), None)
    return same or " + ".join(sorted(roles)) or "less than a role"


def largest_role_within(held: frozenset[str], known: Mapping[str, frozenset[str]]) -> str | None:
    """The role with the most permissions among those that `held` covers."""
    return highest_role([role for role, needs in known.items() if needs <= held], known)
