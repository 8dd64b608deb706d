"""The container through which a volume is read: it mounts it read-only, and is never started.

Engines open the files of a container that does not run, too. It is made for one reading and removed after it; what a
portal leaves that dies meanwhile is removed by a later scan of the host, when its time is over.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from apps.containers.policy import on_engine
from apps.containers.selectors import policy_of
from apps.core.errors import Invalid
from apps.drivers.base import CreateRequest, Driver, EngineContainer, EngineError, EngineNotFound, Stream
from apps.drivers.volumes import EngineFile
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.hosts.system_container.container import (
    READER_KIND,
    READER_PREFIX,
    SYSTEM_LABEL,
    is_volume_reader,
)
from apps.volumes.models import Volume

log = logging.getLogger(__name__)

EXPIRES_LABEL = "io.corral.expires"
"""Unix time in seconds from which on a scan removes the container."""
ROOT = "/corral-volume"
_NO_IMAGE = (
    "{host} has no image, and files are read through a container that is made from one (and never started):"
    " pull any image to it, then try again."
)


@dataclass(frozen=True, slots=True)
class VolumeReader:
    """A container that mounts one volume."""

    engine: Driver
    container: str

    def describe(self, parts: Sequence[str]) -> EngineFile:
        """What is at a path of the volume. Raises `EngineNotFound`, and `Invalid` for a path through a link."""
        found = self.engine.file_at(self.container, ROOT)
        for depth in range(1, len(parts) + 1):
            found = self.engine.file_at(self.container, f"{ROOT}/{'/'.join(parts[:depth])}")
            if found.link:
                message = f"path: {'/'.join(parts[:depth])} is a link to {found.link[:200]}; links are not followed."
                raise Invalid("path", "InvalidOption", message)
            if not found.is_folder and depth < len(parts):
                raise EngineNotFound(f"{'/'.join(parts[:depth])} is no folder")
        return found

    def archive(self, parts: Sequence[str]) -> Stream[bytes]:
        """What is there, as a tar archive; to be closed before the reader is."""
        return self.engine.archive(self.container, "/".join((ROOT, *parts)))

    def close(self) -> None:
        """Remove the container; one that cannot be is left to a scan.

        An engine waits with it for those who still read an archive.
        """
        try:
            self.engine.remove(self.container)
        except EngineError as error:
            log.info("the reader %s of a volume stays for a while: %s", self.container[:12], error)


def open_reader(row: Volume, seconds: float) -> VolumeReader:
    """A reader of the volume, for so many seconds at most. Raises `EngineError`, and `Invalid` by the host policy."""
    engine = driver_of(row.host)
    if engine.find_volume(row.name) is None:  # an engine would make an empty one of this name
        raise EngineNotFound(f"{row.host} has no volume {row.short_name} any more.")
    policy = policy_of(row.environment_id)
    _require_allowed([each.why for each in on_engine.check_named_volumes(engine, policy, [row.name])])
    body = {
        "Image": _smallest_image(engine, row.host),
        "Entrypoint": [],
        "Cmd": ["never-started"],
        "Labels": {SYSTEM_LABEL: READER_KIND, EXPIRES_LABEL: str(int(time.time() + seconds))},
        "HostConfig": {"Binds": [f"{row.name}:{ROOT}:ro"], "NetworkMode": "none"},
    }
    made = engine.create(CreateRequest(f"{READER_PREFIX}{secrets.token_hex(6)}", body))
    reader = VolumeReader(engine, made)
    try:
        # Looked at again: between the check and the answer somebody may have put another volume under the name.
        _require_allowed([each.why for each in on_engine.check_mounts_of(engine, policy, engine.inspect(made))])
    except BaseException:
        reader.close()
        raise
    return reader


@contextmanager
def opened_reader(row: Volume, seconds: float) -> Iterator[VolumeReader]:
    """A reader for as long as the block takes."""
    reader = open_reader(row, seconds)
    try:
        yield reader
    finally:
        reader.close()


def _require_allowed(refused: Sequence[str]) -> None:
    if refused:
        message = f"The host policy of this environment does not allow it: {refused[0]}. An administrator can allow it."
        raise Invalid("volumeId", "PolicyViolation", message)


def _smallest_image(engine: Driver, host: Host) -> str:
    """Any image of the engine will do: nothing of it runs."""
    images = sorted(engine.images(), key=lambda each: (not each.tags, each.size))
    if not images:
        raise EngineNotFound(_NO_IMAGE.format(host=host))
    return images[0].id


def sweep_readers(host: Host, containers: Sequence[EngineContainer]) -> None:
    """Remove the readers whose time is over."""
    now = time.time()
    for seen in containers:
        if is_volume_reader(seen.name, seen.labels) and _expiry(seen) < now:
            driver_of(host).remove(seen.id)


def _expiry(seen: EngineContainer) -> float:
    text = seen.labels.get(EXPIRES_LABEL, "")
    return float(text) if text.isdecimal() else 0.0
