"""Which containers of a unit an upgrade makes anew, and which it leaves in place, said before it is done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.containers.launch.config import LaunchConfig
from apps.stacks.sidekicks import UnitConfig, references


@dataclass(frozen=True, slots=True)
class ReplacedMembers:
    """What becomes of each unit of a service: its primary container, and the sidekicks by name.

    `following` are sidekicks that do not change, and are made anew since they use the network or volumes of one that
    does.
    """

    primary: bool
    changed: tuple[str, ...] = ()
    following: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()


def replaced_members(
    service: str, before: UnitConfig, after: UnitConfig, *, with_primary: bool = False
) -> ReplacedMembers:
    """What an upgrade from one unit to the other replaces; in both the primary container goes by the service's name.

    Where nothing changes, or `with_primary`, the primary containers are made anew, and what follows them.
    """
    old, new = _by_name(service, before), _by_name(service, after)
    there = [name for name in new if name in old]
    changed = {name for name in there if new[name] != old[name]}
    added, removed = set(new) - set(old), set(old) - set(new)
    is_first_unit = bool(after.sidekicks) and not before.sidekicks  # containers that are in no unit yet
    if with_primary or is_first_unit or not (changed or added or removed):
        changed.add(service)
    followers = _followers(new, changed, there)
    names = [name for name in there if name != service]
    return ReplacedMembers(
        primary=service in changed | followers,
        changed=tuple(name for name in names if name in changed),
        following=tuple(name for name in names if name in followers),
        added=tuple(name for name in new if name in added),
        removed=tuple(name for name in old if name in removed),
        staying=tuple(name for name in names if name not in changed | followers),
    )


def _by_name(service: str, unit: UnitConfig) -> dict[str, LaunchConfig]:
    return {service: unit.primary, **{each.name: each.config for each in unit.sidekicks}}


def _followers(configs: Mapping[str, LaunchConfig], changed: set[str], there: list[str]) -> set[str]:
    found: set[str] = set()
    while more := {name for name in there if set(references(configs[name])) & (changed | found)} - changed - found:
        found |= more
    return found
