"""The engine's networks that a container is in, and what of them is not asked for again; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps.adoption.differences import FieldDifference
from apps.adoption.member import Json, ProjectMember
from apps.containers.launch.engine_values import as_list, as_map, as_text

_OWN_NETWORKS = frozenset({"bridge", "host", "none"})


def endpoints_of(member: ProjectMember) -> Mapping[str, Any]:
    """What the engine shows of its networks, by their names."""
    return as_map(as_map(member.raw.get("NetworkSettings")).get("Networks"))


def networks_of(member: ProjectMember) -> tuple[Mapping[str, Any], ...]:
    """The networks of the engine that it is in, that of its mode first, with its own aliases in each."""
    endpoints = endpoints_of(member)
    mode = as_text(as_map(member.raw.get("HostConfig")).get("NetworkMode"))
    named = [name for name in endpoints if name not in _OWN_NETWORKS]
    if not named or mode in {"host", "none"} or mode.startswith("container:"):
        return ()
    first = next((name for name in named if mode in {name, as_text(as_map(endpoints[name]).get("NetworkID"))}), "")
    others = [name for name in sorted(named) if name != first]
    order = [first or "bridge", *others]
    return tuple({"name": name, "aliases": _aliases(member, as_map(endpoints.get(name)))} for name in order)


def _aliases(member: ProjectMember, endpoint: Json) -> list[str]:
    """The names that it has in a network, without its own and the engine's."""
    own = {member.name, member.engine_id[:12]}
    return [each for each in map(as_text, as_list(endpoint.get("Aliases"))) if each and each not in own]


def network_differences(member: ProjectMember) -> list[FieldDifference]:
    """What a container has in its networks that is not asked for again."""
    found = []
    for network, endpoint in sorted(endpoints_of(member).items()):
        settings = as_map(endpoint)
        for key in ("IPAMConfig", "DriverOpts", "GwPriority"):
            value = settings.get(key)
            value = {name: each for name, each in value.items() if each} if isinstance(value, Mapping) else value
            if value:
                text = json.dumps(value, sort_keys=True, default=str)
                found.append(FieldDifference(member.name, f"Networks {network} {key}", text, ""))
    return found
