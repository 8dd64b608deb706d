"""Services that extend another one of the same file, merged as the compose specification says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.stacks.compose.value_formats import as_list, as_map
from apps.stacks.compose.yaml_loader import LineMap, error_at_line

_MAX_CHAIN = 20
_NO_FILES = "one file cannot read others: extend a service of this file, or upload all files as a bundle"
_PAIRS = {"environment": "=", "labels": "=", "sysctls": "=", "extra_hosts": ":", "tmpfs": ":"}
_LISTS = {
    *("cap_add", "cap_drop", "configs", "devices", "dns", "dns_opt", "dns_search", "expose", "external_links"),
    *("group_add", "links", "ports", "profiles", "secrets", "security_opt", "volumes_from"),
}


class Extender:
    """Merges the services of one file; `services` is what stands under `services`."""

    def __init__(self, services: LineMap, field: str) -> None:
        self._services = services
        self._field = field

    def merge_all(self) -> LineMap:
        """Return the services with `extends` filled in."""
        found = LineMap()
        for name, body in self._services.items():
            found.lines[name] = self._services.line(name)
            found[name] = self._merge(name, ()) if isinstance(body, LineMap) and body.get("extends") else body
        return found

    def _merge(self, name: str, chain: tuple[str, ...]) -> Any:
        body = self._services[name]
        if not isinstance(body, LineMap) or not body.get("extends"):
            return body
        base_name = self._base_name(name, body, (*chain, name))
        return merge_services(self._merge(base_name, (*chain, name)), body)

    def _base_name(self, name: str, body: LineMap, chain: tuple[str, ...]) -> str:
        """The service that one extends: of this file, and not of a circle."""
        given, line = body["extends"], body.line("extends")
        if isinstance(given, Mapping) and given.get("file"):
            raise error_at_line(self._field, line, f"{name}: `extends`: {_NO_FILES}", "InvalidOption")
        base = given.get("service") if isinstance(given, Mapping) else given
        if not isinstance(base, str) or not isinstance(self._services.get(base), LineMap):
            message = f"{name}: `extends`: there is no service {str(base)[:80]!r} in this file"
            raise error_at_line(self._field, line, message, "InvalidReference")
        if base in chain or len(chain) > _MAX_CHAIN:
            message = f"{name}: `extends`: {' -> '.join((*chain, base)[:_MAX_CHAIN])} goes in a circle or too far"
            raise error_at_line(self._field, line, message, "InvalidReference")
        return base


def merge_services(base: LineMap, own: LineMap) -> LineMap:
    """A service that has what `base` says, and where both say something what `own` says."""
    found = LineMap()
    for source in (base, own):
        for key, value in source.items():
            if key == "extends":
                continue
            found[key] = _merge_values(key, found[key], value) if key in found and value is not None else value
            found.lines[key] = source.line(key)
    return found


def _merge_values(key: str, base: Any, own: Any) -> Any:
    """One key: texts replace, maps are joined, lists are put one after the other."""
    if base is None:
        return own
    if key in _LISTS or key == "volumes":
        return _join(base, own, _mount_path if key == "volumes" else str) if _are_lists(base, own) else own
    below, above = _as_map(key, base), _as_map(key, own)
    return own if below is None or above is None else _join_maps(below, above)


def _are_lists(*values: Any) -> bool:
    """Whether they can be joined; what cannot is left to the reader of the key, which refuses it with its line."""
    return all(isinstance(each, list | str) for each in values)


def _as_map(key: str, value: Any) -> Mapping[str, Any] | None:
    """The value as a map, if the key may be written as one."""
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        return None
    if key == "depends_on":
        return dict.fromkeys(value)
    return as_map(value, _PAIRS[key]) if key in _PAIRS else None


def _join_maps(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(base)
    for name, value in own.items():
        below = found.get(name)
        found[name] = _join_maps(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return found


def _join(base: Any, own: Any, identity: Callable[[Any], Any]) -> list[Any]:
    """Both lists; of two entries that are the same thing the extending service's counts."""
    found: dict[str, Any] = {}
    for each in (*as_list(base), *as_list(own)):
        found[str(identity(each))] = each
    return list(found.values())


def _mount_path(volume: Any) -> Any:
    if isinstance(volume, Mapping):
        return volume.get("target")
    parts = str(volume).split(":")
    return parts[1] if len(parts) > 1 and parts[1].startswith("/") else parts[0]
