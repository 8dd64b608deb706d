"""What people read in volumes: folders as lists, files and folders as downloads. Each reading is audited."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

from apps.control.services import record
from apps.core.errors import Forbidden, NotFound, Problem
from apps.core.streams import FileDownload
from apps.drivers.base import EngineError, EngineNotFound, Stream
from apps.drivers.volumes import EngineFile
from apps.environments.access import can
from apps.environments.actor import Actor
from apps.volumes.files.entries import ArchiveBroken, FolderListing, file_content, read_entries
from apps.volumes.files.paths import parse_path
from apps.volumes.files.reader import VolumeReader, open_reader, opened_reader
from apps.volumes.models import Volume

LIST_SECONDS = 120.0
DOWNLOAD_SECONDS = 3600.0
MAX_READINGS, MAX_OF_ONE = 12, 4
"""How many readings may go on in a process, and how many of one environment: each holds a thread and a container."""


class _Readings:
    """The readings that go on, by environment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.running: Counter[int] = Counter()

    def begin(self, environment: int) -> None:
        """Take a turn. Raises `Problem` (429) when too many go on."""
        with self._lock:
            if self.running.total() >= MAX_READINGS or self.running[environment] >= MAX_OF_ONE:
                raise Problem("Others are reading volumes; try again in a moment.", status=429, retry_after=10)
            self.running[environment] += 1

    def end(self, environment: int) -> None:
        """Give a turn back."""
        with self._lock:
            self.running[environment] -= 1


_readings = _Readings()


@dataclass(frozen=True, slots=True)
class FolderPage:
    """A folder of a volume, or (`file`) the one file that the path leads to."""

    parts: tuple[str, ...]
    listing: FolderListing
    file: EngineFile | None = None


def read_folder(row: Volume, path: str, *, actor: Actor) -> FolderPage:
    """What is in a folder of a volume.

    Raises `Forbidden`, `Invalid` (a path that leads out, through a link, or that the host policy forbids), `NotFound`,
    and `Problem` (502) with the engine's words.
    """
    parts = _checked(row, path, actor)
    with _one_reading(row.environment_id):
        try:
            with opened_reader(row, LIST_SECONDS) as reader:
                found = reader.describe(parts)
                listing = _entries(reader, parts) if found.is_folder else FolderListing()
        except (EngineError, ArchiveBroken) as error:
            raise _problem(row, parts, error) from None
    _audit("volume.browse", row, parts, actor)
    return FolderPage(parts, listing, None if found.is_folder else found)


def _entries(reader: VolumeReader, parts: tuple[str, ...]) -> FolderListing:
    with closing(reader.archive(parts)) as pieces:
        return read_entries(pieces)


class VolumeDownload(FileDownload):
    """A file as it is, or a folder as a tar archive; `size` in bytes is known of files. `close` it in any case."""

    def __init__(self, reader: VolumeReader, parts: tuple[str, ...], found: EngineFile, volume: Volume) -> None:
        self._reader, self._parts, self._is_folder = reader, parts, found.is_folder
        self._archive: Stream[bytes] | None = None
        self._is_closed = False
        last = parts[-1] if parts else volume.name
        self._environment = volume.environment_id
        self.name = f"{last}.tar" if found.is_folder else last
        self.kind = "application/x-tar" if found.is_folder else "application/octet-stream"
        self.size = None if found.is_folder else found.size
        self._expected = found.size

    def __iter__(self) -> Iterator[bytes]:
        try:
            self._archive = self._reader.archive(self._parts)
            if self._is_folder:
                yield from self._archive
            else:
                yield from file_content(self._archive, self._expected, DOWNLOAD_SECONDS)
        finally:
            self.close()

    def close(self) -> None:
        """Remove what was made for it; called again it does nothing."""
        if not self._is_closed:
            self._is_closed = True
            _readings.end(self._environment)
            if self._archive is not None:
                self._archive.close()
            self._reader.close()


def open_download(row: Volume, path: str, *, actor: Actor) -> VolumeDownload:
    """A file or folder of a volume, to be sent piece by piece. Raises as `read_folder` does."""
    parts = _checked(row, path, actor)
    _readings.begin(row.environment_id)
    try:
        reader = open_reader(row, DOWNLOAD_SECONDS)
        try:
            found = reader.describe(parts)
            download = VolumeDownload(reader, parts, found, row)
        except BaseException:
            reader.close()
            raise
    except EngineError as error:
        _readings.end(row.environment_id)
        raise _problem(row, parts, error) from None
    except BaseException:
        _readings.end(row.environment_id)
        raise
    _audit("volume.download", row, parts, actor)
    return download


def _checked(row: Volume, path: str, actor: Actor) -> tuple[str, ...]:
    allowed = can(actor, "browse", row.environment_id)
    if not allowed:
        raise Forbidden(allowed.reason)
    return parse_path("path", path)


@contextmanager
def _one_reading(environment: int) -> Iterator[None]:
    """One of the readings that may go on at once. Raises `Problem` (429)."""
    _readings.begin(environment)
    try:
        yield
    finally:
        _readings.end(environment)


def _problem(row: Volume, parts: tuple[str, ...], error: Exception) -> Problem:
    """What went wrong on the engine, for the person who reads."""
    if isinstance(error, EngineNotFound):
        where = "/".join(parts) or "/"
        reason = str(error) if "image" in str(error) or "any more" in str(error) else ""
        return NotFound(reason or f"There is no {where[:200]} in {row.short_name} on {row.host}.")
    return Problem(f"{row.short_name} could not be read on {row.host}: {error}", status=502, code="EngineError")


def _audit(event: str, row: Volume, parts: tuple[str, ...], actor: Actor) -> None:
    details = {"path": "/" + "/".join(parts), "host": str(row.host)}
    record(event, actor=actor, row=row, environment_id=row.environment_id, request=details, code="200")
