"""Services that only some profiles have: the variable COMPOSE_PROFILES enables them, as for docker compose."""

from __future__ import annotations

from apps.stacks.compose.interpolation import Variables
from apps.stacks.compose.value_formats import as_list
from apps.stacks.compose.yaml_loader import LineMap

VARIABLE = "COMPOSE_PROFILES"


def split_by_profiles(services: LineMap, variables: Variables) -> tuple[LineMap, dict[str, list[str]]]:
    """Return the services that are enabled, and the profiles of those that are not."""
    enabled = {each.strip() for each in (variables.get(VARIABLE) or "").split(",")} - {""}
    found, disabled = LineMap(), {}
    for name, body in services.items():
        profiles = _profiles_of(body)
        if profiles and "*" not in enabled and not enabled & set(profiles):
            disabled[name] = profiles
        else:
            found[name] = body
            found.lines[name] = services.line(name)
    return found, disabled


def _profiles_of(body: object) -> list[str]:
    given = body.get("profiles") if isinstance(body, LineMap) else None
    return [str(each) for each in as_list(given)] if isinstance(given, list | str) and given else []
