"""The calls about volumes of a simulated engine."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from apps.drivers.base import Stream
from apps.drivers.docker.parsing import parse_file, parse_volume, parse_volume_sizes
from apps.drivers.simulated.streams import SimulatedArchive
from apps.drivers.volumes import EngineFile, EngineVolume
from simulated_engine.engine import EngineCore


class _Simulated(Protocol):
    """What these calls need of their driver."""

    def _call(self, name: str) -> AbstractContextManager[EngineCore]: ...
    def _locked(self) -> AbstractContextManager[EngineCore]: ...
    def _is_down(self) -> bool: ...


class SimulatedVolumeCalls:
    """The calls about volumes of `SimulatedDriver`, and `write_file` for tests and demonstrations."""

    def write_file(self: _Simulated, volume: str, path: str, content: bytes | str) -> None:
        """Put a file into a volume; a text is where a symbolic link leads."""
        with self._locked() as core:
            core.volumes.write(volume, path, content)

    def volumes(self: _Simulated) -> list[EngineVolume]:
        """Every volume."""
        with self._call("volumes") as core:
            return [parse_volume(found) for found in core.volumes.details()]

    def find_volume(self: _Simulated, name: str) -> EngineVolume | None:
        """The volume of this name, or None."""
        with self._call("find_volume") as core:
            return parse_volume(core.volumes.get(name)) if name in core.volumes else None

    def volume_sizes(self: _Simulated) -> dict[str, int]:
        """The bytes in each volume."""
        with self._call("volume_sizes") as core:
            return parse_volume_sizes({"Volumes": core.volumes.usage(core.containers)})

    def create_volume(
        self: _Simulated, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> EngineVolume:
        """Make a volume, or return the one of this name."""
        with self._call("create_volume") as core:
            return parse_volume(core.volumes.ensure(name, driver, labels, options))

    def remove_volume(self: _Simulated, name: str) -> None:
        """Remove it; a missing one is no error."""
        with self._call("remove_volume") as core:
            if name in core.volumes:
                core.volumes.remove(name, core.containers)

    def file_at(self: _Simulated, container_id: str, path: str) -> EngineFile:
        """What is at a path of a container."""
        with self._call("file_at") as core:
            return parse_file(core.volumes.file_facts(core.containers.get(container_id), path))

    def archive(self: _Simulated, container_id: str, path: str) -> Stream[bytes]:
        """A file or folder of a container as a tar archive."""
        with self._call("archive") as core:
            return SimulatedArchive(core.volumes.archive(core.containers.get(container_id), path), self._is_down)
