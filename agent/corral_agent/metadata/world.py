"""The portal's document of metadata, and the tree that each version of the service makes of it for a client; pure.

The document names things once and refers to them by their uuids; the trees share what they have in common, so that
neither a version nor a client costs a copy of the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from corral_agent.documents import DocumentRefused

VERSIONS = ("2015-07-25", "2015-12-19", "2016-07-29")
LATEST = "latest"
_NAMES_ONLY, _OLD_PORTS = VERSIONS[0], VERSIONS[:2]
_KINDS = ("stacks", "services", "containers", "hosts")
_LOWERED = {
    "stacks": ("name",),
    "services": ("name", "stack_name", "primary_service_name"),
    "containers": ("name", "service_name", "stack_name"),
    "hosts": (),
}

Row = dict[str, Any]


class World:
    """One environment as one document has it."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Raises `DocumentRefused` for a document that is not one."""
        self.version = str(document.get("revision", ""))
        self._self_host = str(document.get("self_host", ""))
        self._rows = {kind: _rows_of(document, kind) for kind in _KINDS}
        self._networks = _rows_of(document, "networks")
        self._trees: dict[str, _Tree] = {}

    def tree(self, version: str, address: str) -> Row | None:
        """Everything that a client with this address sees; None for a version that there is not."""
        version = VERSIONS[-1] if version == LATEST else version
        if version not in VERSIONS:
            return None
        if version not in self._trees:
            self._trees[version] = _Tree(self._rows, version)
        tree = self._trees[version]
        return {
            **{kind: tree.rows[kind] for kind in _KINDS},
            "networks": self._networks,
            "self": tree.view_of(address, self._self_host),
            "version": self.version,
        }


class _Tree:
    """The rows as one version shows them, each once, with what belongs to them inside them."""

    def __init__(self, rows: Mapping[str, list[Row]], version: str) -> None:
        lowered = version == VERSIONS[-1]
        self.rows = {kind: [_copy(row, _LOWERED[kind] if lowered else ()) for row in rows[kind]] for kind in _KINDS}
        self._by_uuid = {kind: {row.get("uuid"): row for row in self.rows[kind]} for kind in _KINDS}
        self._by_address = {row["primary_ip"]: row for row in self.rows["containers"] if row.get("primary_ip")}
        for container in self.rows["containers"]:
            _write_ports(container, old=version in _OLD_PORTS)
        names_only = version == _NAMES_ONLY
        for service in self.rows["services"]:
            service["containers"] = self._members("containers", service.get("containers"), names_only=names_only)
            if lowered:
                _lower_names(service)
        for stack in self.rows["stacks"]:
            mine = [row for row in self.rows["services"] if row.get("stack_uuid") == stack.get("uuid")]
            stack["services"] = [row.get("name") for row in mine] if names_only else mine

    def _members(self, kind: str, uuids: Any, *, names_only: bool) -> list[Any]:
        known = self._by_uuid[kind]
        found = [known[uuid] for uuid in uuids or () if uuid in known]
        return [row.get("name") for row in found] if names_only else found

    def view_of(self, address: str, self_host: str) -> Row:
        """`self` of a client: its container, and where that belongs; only the host for an unknown one."""
        container = self._by_address.get(address)
        if container is None:
            found = {"host": self._by_uuid["hosts"].get(self_host)}
        else:
            found = {
                "container": container,
                "service": self._service_of(container),
                "stack": self._by_uuid["stacks"].get(container.get("stack_uuid")),
                "host": self._by_uuid["hosts"].get(container.get("host_uuid")),
            }
        return {key: row for key, row in found.items() if row is not None}

    def _service_of(self, container: Row) -> Row | None:
        """Sidekicks are services of their own here: several share a uuid, and the name tells them apart."""
        uuid, name = container.get("service_uuid"), container.get("service_name")
        mine = [row for row in self.rows["services"] if row.get("uuid") == uuid]
        return next((row for row in mine if row.get("name") == name), mine[0] if mine else None) if uuid else None


def _rows_of(document: Mapping[str, Any], kind: str) -> list[Row]:
    found = document.get(kind, [])
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise DocumentRefused(f"{kind} is not a list of objects")
    return found


def _copy(row: Row, lowered: tuple[str, ...]) -> Row:
    return {**row, **{key: str(row[key]).lower() for key in lowered if row.get(key) is not None}}


def _lower_names(service: Row) -> None:
    if service.get("sidekicks"):
        service["sidekicks"] = [str(name).lower() for name in service["sidekicks"]]
    if service.get("links"):
        service["links"] = {name.lower(): target for name, target in service["links"].items()}


def _write_ports(container: Row, *, old: bool) -> None:
    """A port without an address is written with the host's in old versions, later with 0.0.0.0."""
    host = str(container.pop("host_ip", "") or "0.0.0.0")  # noqa: S104 - written, not listened on
    write: Callable[[str], str] = (lambda port: _with_host(port, host)) if old else _with_any
    if isinstance(container.get("ports"), list):
        container["ports"] = [write(str(port)) for port in container["ports"]]


def _with_host(port: str, host: str) -> str:
    address, _, rest = port.partition(":")
    if port.count(":") < 2:
        return f"{host}:{port}"
    return f"{host}:{rest}" if address == "0.0.0.0" else port  # noqa: S104


def _with_any(port: str) -> str:
    return port if port.count(":") >= 2 else f"0.0.0.0:{port}"
