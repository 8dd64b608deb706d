"""Which volume of the engine a name in a file means: one of the stack's own, or one that exists apart from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from apps.stacks.compose.value_formats import parse_boolean
from apps.stacks.compose.yaml_loader import LineMap, error_at_line


class VolumeNames:
    """The volumes that a file declares at its top level.

    Two stacks made from one file must not write into one volume, so that a volume is called after the stack:
    `stack_volume`. Files of the first form declare none, and their names are those of the engine.
    """

    def __init__(self, declared: Any, stack_name: str, field: str, line: int, *, is_first_form: bool) -> None:
        if declared is not None and not isinstance(declared, LineMap):
            raise error_at_line(field, line, "`volumes` must be a map of volumes")
        self._declared: Mapping[str, Any] = declared or {}
        self._stack_name = "" if is_first_form else stack_name
        self._is_first_form = is_first_form
        self.undeclared: dict[str, None] = {}

    def name_on_engine(self, name: str) -> str:
        """The engine's name of a volume that a service mounts."""
        if name not in self._declared and not self._is_first_form:
            self.undeclared[name] = None
        settings = self._declared.get(name)
        given = _given_name(settings) if isinstance(settings, Mapping) else None
        if given:
            return given
        return f"{self._stack_name}_{name}" if self._stack_name and not _is_external(settings) else name

    def replace(self, mounts: Iterable[str]) -> list[str]:
        """The mounts `name:/path[:mode]` with the engine's names; folders and unnamed volumes stay as they are."""
        return [self._replace(mount) for mount in mounts]

    def _replace(self, mount: str) -> str:
        source, colon, rest = mount.partition(":")
        is_named = colon and source and not source.startswith("/") and rest.startswith("/")
        return f"{self.name_on_engine(source)}:{rest}" if is_named else mount


def _given_name(settings: Mapping[str, Any]) -> str | None:
    """The name that the file gives: `name: real`, or the older `external: {name: real}`."""
    external = settings.get("external")
    found = (external.get("name") if isinstance(external, Mapping) else None) or settings.get("name")
    return str(found) if isinstance(found, str) and found else None


def _is_external(settings: Any) -> bool:
    external = settings.get("external") if isinstance(settings, Mapping) else None
    return isinstance(external, Mapping) or parse_boolean(external) is True


def declare_volumes(mounts: Iterable[tuple[str, str]], stack_name: str) -> tuple[dict[str, str], dict[str, Any]]:
    """What a written file calls the engine's volumes, and how its top level declares them.

    `mounts` are (source, path). A volume of the stack loses the stack's name in front, so that another stack made from
    the file gets one of its own; any other keeps its name, and is the same one for every stack.
    """
    sources = sorted({source for source, _path in mounts if source and not source.startswith("/")})
    names: dict[str, str] = {}
    declared: dict[str, Any] = {}
    for source in sources:
        short = source.removeprefix(f"{stack_name}_") if stack_name else source
        is_own = short != source and short[:1].isalnum() and short not in sources
        names[source] = short if is_own else source
        declared[names[source]] = {} if is_own else {"name": source}
    return names, declared
