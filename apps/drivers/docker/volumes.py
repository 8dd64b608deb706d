"""Volumes of a Docker engine, and the files that its containers mount from them."""

from __future__ import annotations

import base64
import contextlib
import threading
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from apps.core import read_budgets
from apps.drivers.base import EngineError, EngineNotFound, Stream
from apps.drivers.docker import parsing
from apps.drivers.docker.http import EngineResponse
from apps.drivers.docker.image_archive import ArchiveStream
from apps.drivers.docker.safe_json import parse_json
from apps.drivers.docker.sdk import EngineConnection
from apps.drivers.volumes import EngineFile, EngineVolume

_MEASURE_TIMEOUT = 50.0  # an engine adds up the sizes of all files, which takes minutes on big disks
_IDLE_TIMEOUT = 30.0
_FILE_HEADER = "X-Docker-Container-Path-Stat"
_SINGLE_KIND = (1, 42)  # from this version of the API on an engine measures volumes alone


class _Engine(Protocol):
    """What these calls need of their driver."""

    _connection: EngineConnection
    _work_slots: threading.BoundedSemaphore

    def _request(self, method: str, path: str, **options: Any) -> EngineResponse: ...


class DockerVolumeCalls:
    """The calls about volumes of `DockerDriver`."""

    def volumes(self: _Engine) -> list[EngineVolume]:
        """Every volume on the engine."""
        with self._connection() as sdk:
            return [parsing.parse_volume(found) for found in sdk.get_json("/volumes")["Volumes"] or ()]

    def find_volume(self: _Engine, name: str) -> EngineVolume | None:
        """The volume of this name, or None."""
        try:
            with self._connection() as sdk:
                return parsing.parse_volume(sdk.inspect_volume(name))
        except EngineNotFound:
            return None

    def volume_sizes(self: _Engine) -> dict[str, int]:
        """The bytes in each volume, as far as the engine can measure them."""
        with self._connection() as sdk:
            version = tuple(int(part) for part in sdk.engine_api_version.split(".") if part.isdecimal())
            query = {"type": "volume"} if version >= _SINGLE_KIND else {}
            return parsing.parse_volume_sizes(sdk.get_json("/system/df", timeout=_MEASURE_TIMEOUT, **query))

    def create_volume(
        self: _Engine, name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]
    ) -> EngineVolume:
        """Make a volume, or return the one of this name."""
        with self._connection(self._work_slots) as sdk:
            return parsing.parse_volume(
                sdk.create_volume(name=name, driver=driver, driver_opts=dict(options), labels=dict(labels))
            )

    def remove_volume(self: _Engine, name: str) -> None:
        """Remove it; a missing one is not an error."""
        with contextlib.suppress(EngineNotFound), self._connection(self._work_slots) as sdk:
            sdk.remove_volume(name)

    def file_at(self: _Engine, container_id: str, path: str) -> EngineFile:
        """What is at a path of a container."""
        with self._connection() as sdk:
            header = sdk.head_header(_archive_path(container_id), _FILE_HEADER, {"path": path})
            if len(header) > read_budgets.KB * 64:
                raise EngineError("The engine's description of a file is too long.")
            return parsing.parse_file(parse_json(base64.b64decode(header)))

    def archive(self: _Engine, container_id: str, path: str) -> Stream[bytes]:
        """A file or folder of a container as a tar archive, piece by piece."""
        address = f"{_archive_path(container_id)}?{urlencode({'path': path})}"
        options = {"budget": read_budgets.ENGINE_ARCHIVE, "idle_timeout": _IDLE_TIMEOUT}
        return ArchiveStream(self._request("GET", address, **options))


def _archive_path(container_id: str) -> str:
    return f"/containers/{quote(container_id, safe='')}/archive"
