"""The named volumes of a simulated engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from simulated_engine.container import SimulatedContainer
from simulated_engine.errors import conflict, not_found
from simulated_engine.runtime import Runtime
from simulated_engine.timestamps import to_rfc3339

Json = dict[str, Any]


class SimulatedVolumes:
    """The volumes of one engine, as the engine shows them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._by_name: dict[str, Json] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def details(self) -> list[Json]:
        """All of them."""
        return list(self._by_name.values())

    def get(self, name: str) -> Json:
        """One volume. Raises `EngineApiError`."""
        if name not in self._by_name:
            raise not_found(f"get {name}: no such volume")
        return self._by_name[name]

    def ensure(
        self, name: str, driver: str, labels: Mapping[str, str], options: Mapping[str, str] | None = None
    ) -> Json:
        """The volume of this name, made if absent; without a name always a new one."""
        name = name or self._runtime.random_hex(32)
        made = {
            "Name": name,
            "Driver": driver or "local",
            "Mountpoint": f"/var/lib/docker/volumes/{name}/_data",
            "Labels": labels,
            "Options": dict(options or {}),
            "Scope": "local",
            "CreatedAt": to_rfc3339(self._runtime.now()),
        }
        return self._by_name.setdefault(name, made)

    def remove(self, name: str, containers: Iterable[SimulatedContainer]) -> None:
        """Remove it. Raises `EngineApiError` while one of `containers` mounts it."""
        self.get(name)
        for container in containers:
            if any(bind.startswith(f"{name}:") for bind in container.config.get("Binds") or ()):
                raise conflict(f"remove {name}: volume is in use - [{container.id}]")
        del self._by_name[name]
