"""The part of the `Driver` protocol that is about volumes and the files in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from apps.drivers.base import Stream


@dataclass(frozen=True, slots=True)
class EngineVolume:
    """A volume: its driver, and the options that the driver was given; `created` is RFC 3339, empty when unknown."""

    name: str
    driver: str
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    mountpoint: str = ""


@dataclass(frozen=True, slots=True)
class EngineFile:
    """What is at a path of a container: `size` in bytes, `link` where a symbolic link leads, else empty."""

    name: str
    size: int
    is_folder: bool
    link: str = ""


class VolumeCalls(Protocol):
    """What an engine does with volumes. Raises `EngineError` and nothing else."""

    def volumes(self) -> list[EngineVolume]:
        """Every volume of the engine."""

    def find_volume(self, name: str) -> EngineVolume | None:
        """The volume of this name, or None."""

    def volume_sizes(self) -> dict[str, int]:
        """The bytes in each volume that the engine can measure. It looks at every file: call it seldom."""

    def create_volume(
        self, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> EngineVolume:
        """Make a volume, or return the one of this name; of another driver it raises `EngineConflict`."""

    def remove_volume(self, name: str) -> None:
        """Remove it with its files; a missing one is no error, one in use raises `EngineConflict`."""

    def file_at(self, container_id: str, path: str) -> EngineFile:
        """What is at a path of a container, the last part not followed if it is a link. Raises `EngineNotFound`."""

    def archive(self, container_id: str, path: str) -> Stream[bytes]:
        """A file or a folder of a container with everything in it, as a tar archive, piece by piece."""
