"""The images of a simulated engine: `sim:` ones are always there, others come by pull or load."""

from __future__ import annotations

import hashlib
import json
import tarfile
import time
from collections.abc import Iterable, Iterator
from typing import IO, Any

from corral_agent.sim.box import Box
from corral_agent.sim.hub import Hub
from corral_agent.sim.refusals import Refusal, bad, conflict, missing

_ALWAYS_THERE = ("sim/", "sim:")
_SIZE, _PIECES = 4_000_000, 8
_LAYER = "layer.tar"
_LARGEST_MANIFEST = 1024 * 1024

Json = dict[str, Any]


def key_of(image: str) -> str:
    """An image's name with its tag."""
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def id_of(image: str) -> str:
    """The id of an image: told by its name here."""
    return f"sha256:{hashlib.sha256(key_of(image).encode()).hexdigest()}"


class Images:
    """What is there, by name."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.there: dict[str, int] = {}

    def add(self, image: str, action: str = "pull") -> str:
        """It is there from now on; its name with the tag."""
        key = key_of(image)
        self.there.setdefault(key, int(time.time()))
        self._hub.tell("image", action, key, {"name": key.rpartition(":")[0]})
        return key

    def has(self, image: str) -> bool:
        """Whether it is there, by name or id."""
        return image.startswith(_ALWAYS_THERE) or key_of(image) in self.there or self._named(image) is not None

    def _named(self, key: str) -> str | None:
        return next((name for name in self.there if id_of(name) == key), None) if key.startswith("sha256:") else None

    def need(self, image: str) -> str:
        """Its name with the tag. Raises `Refusal` without it."""
        if not self.has(image):
            raise missing(f"No such image: {key_of(image)}")
        return self._named(image) or key_of(image)

    def listed(self) -> list[Json]:
        """As /images/json shows them."""
        return [self._row(name) for name in sorted(self.there)]

    def _row(self, name: str) -> Json:
        made = self.there.get(name, 1_700_000_000)
        return {"Id": id_of(name), "RepoTags": [name], "Size": _SIZE, "Created": made, "Labels": {}, "RepoDigests": []}

    def inspected(self, image: str) -> Json:
        """As /images/{name}/json shows it."""
        name = self.need(image)
        config = {"Env": ["PATH=/bin"], "Cmd": ["serve"], "Labels": {}}
        return {**self._row(name), "Os": "linux", "Architecture": "amd64", "Config": config}

    def remove(self, image: str, boxes: Iterable[Box], *, force: bool) -> list[Json]:
        """Take it away. Raises `Refusal` while containers use it."""
        name = self.need(image)
        user = next((box for box in boxes if key_of(box.image) == name), None)
        if user is not None and not force:
            raise conflict(
                f'conflict: unable to remove repository reference "{name}" (must force) - '
                f"container {user.id[:12]} is using its referenced image"
            )
        self.there.pop(name, None)
        self._hub.tell("image", "delete", id_of(name), {"name": id_of(name)})
        return [{"Untagged": name}, {"Deleted": id_of(name)}]

    def save(self, names: Iterable[str]) -> Iterator[bytes]:
        """An archive that another simulated engine loads, in pieces. Raises `Refusal`."""
        found = [{"RepoTags": [self.need(name)], "Layers": [_LAYER]} for name in names]
        return _archive(json.dumps(found).encode())  # a refusal comes before the answer begins

    def load(self, file: IO[bytes]) -> Iterator[Json]:
        """Take the images of an archive, also a real engine's: their names count here. Raises `Refusal`."""
        try:
            for name in _names(file):
                self.add(name, "load")
                yield {"stream": f"Loaded image: {name}\n"}
        except (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError):
            raise bad("the archive holds no images") from None


def _archive(manifest: bytes) -> Iterator[bytes]:
    """As large as the images say that they are, and empty."""
    yield _entry("manifest.json", len(manifest)) + manifest + bytes(-len(manifest) % tarfile.BLOCKSIZE)
    yield _entry(_LAYER, _SIZE)
    for _ in range(_PIECES):
        yield bytes(_SIZE // _PIECES)
    yield bytes(-_SIZE % tarfile.BLOCKSIZE) + bytes(2 * tarfile.BLOCKSIZE)


def _entry(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf()


def _names(file: IO[bytes]) -> list[str]:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        member = tar.extractfile("manifest.json")
        found = json.loads(member.read(_LARGEST_MANIFEST)) if member else []
    return [str(name) for image in found for name in image.get("RepoTags") or ()]


def pull(image: str) -> Iterator[Json]:
    """The lines of a pull, layer by layer. Raises `Refusal` for what no registry has."""
    key = key_of(image)
    if "127.0.0.1:1/" in key:
        raise Refusal(
            500, f"Get https://{key.partition('/')[0]}/v2/: dial tcp 127.0.0.1:1: connect: connection refused"
        )
    if key.startswith("nowhere/"):
        raise missing(f"pull access denied for {key.rpartition(':')[0]}, repository does not exist")
    yield {"status": f"Pulling from {key.rpartition(':')[0]}", "id": key.rpartition(":")[2]}
    layers = [hashlib.sha256(f"{key}{n}".encode()).hexdigest()[:12] for n in range(3)]
    for layer in layers:
        yield {"status": "Pulling fs layer", "id": layer, "progressDetail": {}}
    for current in (_SIZE // 4, _SIZE // 2, _SIZE):
        for layer in layers:
            yield {"status": "Downloading", "id": layer, "progressDetail": {"current": current, "total": _SIZE}}
    for layer in layers:
        yield {"status": "Pull complete", "id": layer, "progressDetail": {}}
    yield {"status": f"Digest: {id_of(key)}"}
    yield {"status": f"Status: Downloaded newer image for {key}"}
