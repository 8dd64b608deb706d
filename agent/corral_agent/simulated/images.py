"""The images of a simulated engine: `sim:` ones are always there, others come by pull or load."""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
from collections.abc import Iterable, Iterator
from typing import IO, Any

from corral_agent.simulated.container import SimulatedContainer
from corral_agent.simulated.errors import (
    EngineApiError,
    bad_request,
    conflict,
    not_found,
)
from corral_agent.simulated.event_bus import EventBus

_BUILT_IN_IMAGES = ("sim/", "sim:")
_SIZE, _PIECE_COUNT = 4_000_000, 8
_LAYER = "layer.tar"
_MAX_MANIFEST = 1024 * 1024

Json = dict[str, Any]


def tagged_name(image: str) -> str:
    """An image's name with its tag."""
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def image_id(image: str) -> str:
    """The id of an image: told by its name here."""
    return f"sha256:{hashlib.sha256(tagged_name(image).encode()).hexdigest()}"


class SimulatedImages:
    """What is there, by name."""

    def __init__(self, event_bus: EventBus) -> None:
        self._event_bus = event_bus
        self.by_name: dict[str, int] = {}

    def add(self, image: str, action: str = "pull") -> str:
        """It is there from now on; its name with the tag."""
        key = tagged_name(image)
        self.by_name.setdefault(key, int(time.time()))
        self._event_bus.notify("image", action, key, {"name": key.rpartition(":")[0]})
        return key

    def has(self, image: str) -> bool:
        """Whether it is there, by name or id."""
        return (
            image.startswith(_BUILT_IN_IMAGES)
            or tagged_name(image) in self.by_name
            or self._name_of_id(image) is not None
        )

    def _name_of_id(self, key: str) -> str | None:
        return (
            next((name for name in self.by_name if image_id(name) == key), None) if key.startswith("sha256:") else None
        )

    def require(self, image: str) -> str:
        """Its name with the tag. Raises `EngineApiError` without it."""
        if not self.has(image):
            raise not_found(f"No such image: {tagged_name(image)}")
        return self._name_of_id(image) or tagged_name(image)

    def summaries(self) -> list[Json]:
        """As /images/json shows them."""
        return [self._row(name) for name in sorted(self.by_name)]

    def _row(self, name: str) -> Json:
        made = self.by_name.get(name, 1_700_000_000)
        return {
            "Id": image_id(name),
            "RepoTags": [name],
            "Size": _SIZE,
            "Created": made,
            "Labels": {},
            "RepoDigests": [],
        }

    def details(self, image: str) -> Json:
        """As /images/{name}/json shows it."""
        name = self.require(image)
        config = {"Env": ["PATH=/bin"], "Cmd": ["serve"], "Labels": {}}
        return {**self._row(name), "Os": "linux", "Architecture": "amd64", "Config": config}

    def remove(self, image: str, containers: Iterable[SimulatedContainer], *, force: bool) -> list[Json]:
        """Take it away. Raises `EngineApiError` while containers use it."""
        name = self.require(image)
        user = next((container for container in containers if tagged_name(container.image) == name), None)
        if user is not None and not force:
            raise conflict(
                f'conflict: unable to remove repository reference "{name}" (must force) - '
                f"container {user.id[:12]} is using its referenced image"
            )
        self.by_name.pop(name, None)
        self._event_bus.notify("image", "delete", image_id(name), {"name": image_id(name)})
        return [{"Untagged": name}, {"Deleted": image_id(name)}]

    def save(self, names: Iterable[str]) -> Iterator[bytes]:
        """An archive that another simulated engine loads, in pieces. Raises `EngineApiError`."""
        found = [{"RepoTags": [self.require(name)], "Layers": [_LAYER]} for name in names]
        return _archive(json.dumps(found).encode())  # a refusal comes before the answer begins

    def load(self, file: IO[bytes]) -> Iterator[Json]:
        """Take the images of an archive, also a real engine's: their names count here. Raises `EngineApiError`."""
        try:
            for name in _image_names(file):
                self.add(name, "load")
                yield {"stream": f"Loaded image: {name}\n"}
        except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError):
            raise bad_request("the archive holds no images") from None


def _archive(manifest: bytes) -> Iterator[bytes]:
    """As large as the images say that they are, and empty."""
    yield _tar_header("manifest.json", len(manifest)) + manifest + bytes(-len(manifest) % tarfile.BLOCKSIZE)
    yield _tar_header(_LAYER, _SIZE)
    for _ in range(_PIECE_COUNT):
        yield bytes(_SIZE // _PIECE_COUNT)
    yield bytes(-_SIZE % tarfile.BLOCKSIZE) + bytes(2 * tarfile.BLOCKSIZE)


def _tar_header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf()


def _image_names(file: IO[bytes]) -> list[str]:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        member = tar.extractfile("manifest.json")
        found = json.loads(member.read(_MAX_MANIFEST)) if member else []
    return [str(name) for image in found for name in image.get("RepoTags") or ()]


def pull_steps(image: str) -> Iterator[Json]:
    """The lines of a pull, layer by layer. Raises `EngineApiError` for what no registry has."""
    key = tagged_name(image)
    if "127.0.0.1:1/" in key:
        raise EngineApiError(
            500, f"Get https://{key.partition('/')[0]}/v2/: dial tcp 127.0.0.1:1: connect: connection refused"
        )
    if key.startswith("nowhere/"):
        raise not_found(f"pull access denied for {key.rpartition(':')[0]}, repository does not exist")
    yield {"status": f"Pulling from {key.rpartition(':')[0]}", "id": key.rpartition(":")[2]}
    layers = [hashlib.sha256(f"{key}{n}".encode()).hexdigest()[:12] for n in range(3)]
    for layer in layers:
        yield {"status": "Pulling fs layer", "id": layer, "progressDetail": {}}
    for current in (_SIZE // 4, _SIZE // 2, _SIZE):
        for layer in layers:
            yield {"status": "Downloading", "id": layer, "progressDetail": {"current": current, "total": _SIZE}}
    for layer in layers:
        yield {"status": "Pull complete", "id": layer, "progressDetail": {}}
    yield {"status": f"Digest: {image_id(key)}"}
    yield {"status": f"Status: Downloaded newer image for {key}"}
