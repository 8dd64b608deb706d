"""What rancher-compose adds to the services of a docker-compose file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.core.errors import Invalid
from apps.stacks.compose.extras import Extras, extras_of
from apps.stacks.compose.lined import Lined, wrong
from apps.stacks.compose.loading import load
from apps.stacks.compose.variables import Variables

RANCHER = "rancherCompose"


def read_rancher(
    source: str, environment: Mapping[str, str], services: set[str]
) -> tuple[dict[str, Extras], list[str]]:
    """The parts by service, and warnings about the file; `source` may be empty."""
    variables = Variables(environment, RANCHER)
    top: Lined = variables.fill(load(source, RANCHER, typed=True))
    parts = top.get("services") if "services" in top or isinstance(top.get("version"), str | int | float) else top
    parts = Lined() if parts is None else parts
    if not isinstance(parts, Lined):
        raise wrong(RANCHER, top.line("services"), "`services` must be a map of services")
    found, warnings = {}, []
    for name, part in parts.items():
        if name in services:
            found[name] = _guarded(name, part, parts)
        elif not name.startswith((".", "x-")):
            warnings.append(f"rancher-compose speaks of {name[:80]!r}, which docker-compose does not have.")
    warnings += [f"The variable {name} is not set; it is taken as empty." for name in variables.missing]
    return found, warnings


def _guarded(name: str, part: Any, parts: Lined) -> Extras:
    if part is None:
        return Extras()
    if not isinstance(part, Lined):
        raise wrong(RANCHER, parts.line(name), f"{name}: must be a map")
    try:
        return extras_of(name, part)
    except Invalid as problem:
        line = part.line(str(problem.field).partition(".")[0])
        raise wrong(RANCHER, line, f"{name}: {problem.message}", problem.code) from None
