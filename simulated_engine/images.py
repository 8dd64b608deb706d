"""The images of a simulated engine: `sim:` ones are always there, others come by pull or load."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, Any, Protocol, cast

from simulated_engine.container import SimulatedContainer
from simulated_engine.errors import bad_request, conflict, not_found
from simulated_engine.events import EventBus
from simulated_engine.runtime import Runtime

IMAGE_SIZE = 4_000_000  # enough for an archive that must not fit into one message
_BUILT_IN_IMAGES = ("sim/", "sim:")
_BUILT_IN_CREATED = 1_700_000_000
_PIECE_COUNT = 8
_LAYER, _MANIFEST = "layer.tar", "manifest.json"
_MAX_MANIFEST = 1024 * 1024  # an archive comes from outside, and may claim any size
_INVALID_ARCHIVE_ERRORS = (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError)

Json = dict[str, Any]


def tagged_name(image: str) -> str:
    """An image's name with its tag."""
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def repository(image: str) -> str:
    """An image's name without its tag."""
    return tagged_name(image).rpartition(":")[0]


def image_id(image: str) -> str:
    """The id of an image, made from its name: the same name is the same image on every simulated engine."""
    return f"sha256:{hashlib.sha256(tagged_name(image).encode()).hexdigest()}"


class Readable(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""


class SimulatedImages:
    """The images of one engine; `add`, `discard` and `clear` change what is there without an event."""

    def __init__(self, runtime: Runtime, events: EventBus) -> None:
        self._runtime, self._events = runtime, events
        self._created: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._created)

    def add(self, image: str) -> str:
        """Put it there; its name with the tag."""
        name = tagged_name(image)
        self._created.setdefault(name, self._runtime.now() // 10**9)
        return name

    def discard(self, image: str) -> None:
        """Take it away if it is there."""
        self._created.pop(tagged_name(image), None)

    def clear(self) -> None:
        """Take all away."""
        self._created.clear()

    def receive(self, image: str, action: str = "pull") -> str:
        """Put it there as the end of a pull or load; its name with the tag."""
        name = self.add(image)
        self._events.publish("image", action, name, {"name": repository(name)})
        return name

    def has(self, image: str) -> bool:
        """Whether it is there, by name or id."""
        return (
            image.startswith(_BUILT_IN_IMAGES)
            or tagged_name(image) in self._created
            or self._name_of_id(image) is not None
        )

    def _name_of_id(self, key: str) -> str | None:
        if not key.startswith("sha256:"):
            return None
        return next((name for name in self._created if image_id(name) == key), None)

    def require(self, image: str) -> str:
        """Its name with the tag. Raises `EngineApiError` without it."""
        if not self.has(image):
            raise not_found(f"No such image: {tagged_name(image)}")
        return self._name_of_id(image) or tagged_name(image)

    def summaries(self) -> list[Json]:
        """The answer of /images/json."""
        return [self._summary(name) for name in sorted(self._created)]

    def _summary(self, name: str) -> Json:
        return {
            "Id": image_id(name),
            "RepoTags": [name],
            "Size": IMAGE_SIZE,
            "Created": self._created.get(name, _BUILT_IN_CREATED),
            "Labels": {},
            "RepoDigests": [],
        }

    def details(self, image: str) -> Json:
        """The answer of /images/{name}/json. Raises `EngineApiError`."""
        config = {"Env": ["PATH=/bin"], "Cmd": ["serve"], "Labels": {}}
        return {**self._summary(self.require(image)), "Os": "linux", "Architecture": "amd64", "Config": config}

    def remove(self, image: str, containers: Iterable[SimulatedContainer], *, force: bool) -> list[Json]:
        """Remove it; what the engine answers. Raises `EngineApiError` while one of `containers` uses it."""
        name = self.require(image)
        user = next((container for container in containers if tagged_name(container.image) == name), None)
        if user is not None and not force:
            raise conflict(
                f'conflict: unable to remove repository reference "{name}" (must force) - '
                f"container {user.id[:12]} is using its referenced image"
            )
        self.discard(name)
        self._events.publish("image", "delete", image_id(name), {"name": image_id(name)})
        return [{"Untagged": name}, {"Deleted": image_id(name)}]

    def save(self, images: Iterable[str]) -> Iterator[bytes]:
        """An archive that another simulated engine loads, in pieces. Raises `EngineApiError` before the first."""
        manifest = [{"RepoTags": [self.require(image)], "Layers": [_LAYER]} for image in images]
        return _archive(json.dumps(manifest).encode())


def read_archive(file: Readable) -> list[str]:
    """The names of the images in a whole archive, a real engine's too. Raises `EngineApiError`.

    It is read as a stream and to its end: one that is cut off must not be taken.
    """
    manifest, entries = None, set()
    try:
        with tarfile.open(fileobj=cast(IO[bytes], file), mode="r|") as tar:
            for entry in tar:
                entries.add(entry.name)
                if entry.name == _MANIFEST and (member := tar.extractfile(entry)) is not None:
                    manifest = json.loads(member.read(_MAX_MANIFEST))
        return _names_with_layers(manifest, entries)
    except _INVALID_ARCHIVE_ERRORS:
        raise bad_request("the archive holds no images, or is cut off") from None


def _names_with_layers(manifest: Any, entries: set[str]) -> list[str]:
    """Raises `ValueError` when a layer is missing: tar knows no count, and may be cut off between two entries."""
    if not all(entries.issuperset(image.get("Layers") or ()) for image in manifest):
        raise ValueError("a layer is missing")
    return [str(name) for image in manifest for name in image.get("RepoTags") or ()]


def _archive(manifest: bytes) -> Iterator[bytes]:
    """As large as the images claim to be, and empty."""
    yield _tar_header(_MANIFEST, len(manifest)) + manifest + bytes(-len(manifest) % tarfile.BLOCKSIZE)
    yield _tar_header(_LAYER, IMAGE_SIZE)
    for _ in range(_PIECE_COUNT):
        yield bytes(IMAGE_SIZE // _PIECE_COUNT)
    yield bytes(-IMAGE_SIZE % tarfile.BLOCKSIZE) + bytes(2 * tarfile.BLOCKSIZE)


def _tar_header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf()
