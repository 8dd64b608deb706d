"""The images of a simulated engine: `sim:` ones are always there, others come by pull or load."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

from simulated_engine.container import SimulatedContainer
from simulated_engine.errors import bad_request, conflict, not_found
from simulated_engine.events import EventBus
from simulated_engine.runtime import Runtime

PLATFORM = "linux/amd64"
IMAGE_SIZE = 4_000_000  # enough for an archive that must not fit into one message
_BUILT_IN_IMAGES = ("sim/", "sim:")
_BUILT_IN_CREATED = 1_700_000_000
_PIECE_COUNT = 8
_LAYER, _MANIFEST = "layer.tar", "manifest.json"
_MAX_MANIFEST = 1024 * 1024  # an archive comes from outside, and may claim any size
_CONFIG_ID = re.compile(r"(?:^|/)([0-9a-f]{64})(?:\.json)?$")
_NAME = re.compile(r"[a-z0-9][a-z0-9._:/-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?")
_INVALID_ARCHIVE_ERRORS = (tarfile.TarError, ValueError, KeyError, TypeError, AttributeError)

Json = dict[str, Any]


def tagged_name(image: str) -> str:
    """An image's name with its tag."""
    return image if "@" in image or ":" in image.rpartition("/")[2] else f"{image}:latest"


def repository(image: str) -> str:
    """An image's name without its tag."""
    return tagged_name(image.partition("@")[0]).rpartition(":")[0]


def repository_digest(image: str) -> str:
    """Under which digest an engine has an image that it pulled: the one it was pulled by, else one made of its name."""
    return f"{repository(image)}@{image.partition('@')[2] or image_id(image)}"


def image_id(image: str, platform: str = "") -> str:
    """The id of an image, made from its name: the same name is the same image on every simulated engine.

    It is another one for another platform than the engine's own.
    """
    own = platform in {"", PLATFORM}
    return f"sha256:{hashlib.sha256((tagged_name(image) + ('' if own else platform)).encode()).hexdigest()}"


class Readable(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""


@dataclass(frozen=True, slots=True)
class LoadedImage:
    """An image in an archive: its id, and the names that it had where it was saved."""

    id: str
    names: tuple[str, ...]


class SimulatedImages:
    """The images of one engine; `add`, `discard` and `clear` change what is there without an event.

    Names lead to ids as tags do: a name that is given to another image leaves the first one without it.
    """

    def __init__(self, runtime: Runtime, events: EventBus) -> None:
        self._runtime, self._events = runtime, events
        self._created: dict[str, int] = {}
        self._ids: dict[str, str] = {}
        self._digests: dict[str, list[str]] = {}
        self._platforms: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._created)

    def add(self, image: str, platform: str = "") -> str:
        """Put it there; its name with the tag. One for another platform is another image."""
        name = tagged_name(image)
        key = image_id(name, platform)
        self._name(name, key)
        self._platforms[key] = platform or PLATFORM
        return name

    def require_platform(self, image: str, platform: str) -> None:
        """Raise `EngineApiError` where it is for another platform than this one; empty for any, built in for every."""
        actual = self._platforms.get(self.id_of(image), PLATFORM)
        if platform and platform != actual and not image.startswith(_BUILT_IN_IMAGES):
            raise not_found(
                f"image with reference {image} was found but does not match the specified platform: "
                f"wanted {platform}, actual: {actual}"
            )

    def _name(self, name: str, key: str) -> None:
        self._created.setdefault(key, self._runtime.now() // 10**9)
        self._ids[name] = key

    def discard(self, image: str) -> None:
        """Take the name away if it is there, and the image with its last name."""
        key = self._ids.pop(tagged_name(image), None)
        if key is not None and not self._names(key):
            self._forget(key)

    def _forget(self, key: str) -> None:
        self._created.pop(key, None)
        self._digests.pop(key, None)
        self._platforms.pop(key, None)

    def _names(self, key: str) -> list[str]:
        return sorted(name for name, named in self._ids.items() if named == key)

    def clear(self) -> None:
        """Take all away."""
        self._created.clear()
        self._ids.clear()
        self._digests.clear()
        self._platforms.clear()

    def receive(self, image: str, platform: str = "") -> str:
        """Put it there as the end of a pull; its name with the tag."""
        name = self.add(image, platform)
        digest = repository_digest(name)
        known = self._digests.setdefault(image_id(name, platform), [])
        if digest not in known:
            known.append(digest)
        self._events.publish("image", "pull", name, {"name": repository(name)})
        return name

    def load(self, found: LoadedImage) -> list[str]:
        """Put it there as the end of a load; what the engine says of it."""
        self._created.setdefault(found.id, self._runtime.now() // 10**9)
        for name in found.names:
            self._name(name, found.id)
            self._events.publish("image", "load", name, {"name": repository(name)})
        if not found.names:
            self._events.publish("image", "load", found.id, {"name": found.id})
        return [f"Loaded image: {name}" for name in found.names] or [f"Loaded image ID: {found.id}"]

    def built(self, name: str) -> str:
        """Put it there as the end of a build; its id."""
        key = image_id(f"{name}@{self._runtime.now()}")
        self._name(name, key)
        self._events.publish("image", "tag", key, {"name": name})
        return key

    def tag(self, image: str, name: str) -> None:
        """Give it another name, which another image loses. Raises `EngineApiError`."""
        if "@" in name or not _NAME.fullmatch(name):
            raise bad_request(f'invalid reference format: "{name}"')
        self._name(tagged_name(name), self.id_of(image))
        self._events.publish("image", "tag", self._ids[tagged_name(name)], {"name": tagged_name(name)})

    def has(self, image: str) -> bool:
        """Whether it is there, by name or id."""
        return image.startswith(_BUILT_IN_IMAGES) or tagged_name(image) in self._ids or image in self._created

    def id_of(self, image: str) -> str:
        """Its id. Raises `EngineApiError` without it."""
        if not self.has(image):
            raise not_found(f"No such image: {tagged_name(image)}")
        return image if image in self._created else self._ids.get(tagged_name(image), image_id(image))

    def require(self, image: str) -> str:
        """Its name with the tag, or the id of one that has none. Raises `EngineApiError` without it."""
        key = self.id_of(image)
        return next(iter(self._names(key)), key) if image in self._created else tagged_name(image)

    def summaries(self) -> list[Json]:
        """The answer of /images/json."""
        return [self._summary(key) for key in sorted(self._created, key=lambda key: (self._names(key), key))]

    def _summary(self, key: str, name: str = "") -> Json:
        return {
            "Id": key,
            "RepoTags": [each for each in self._names(key) if "@" not in each] or ([name] if name else []),
            "Size": IMAGE_SIZE,
            "Created": self._created.get(key, _BUILT_IN_CREATED),
            "Labels": {},
            "RepoDigests": list(self._digests.get(key, ())),
        }

    def details(self, image: str) -> Json:
        """The answer of /images/{name}/json. Raises `EngineApiError`."""
        config = {"Env": ["PATH=/bin"], "Cmd": ["serve"], "Labels": {}, "ExposedPorts": {"80/tcp": {}}}
        name = "" if image in self._created else tagged_name(image)
        return {**self._summary(self.id_of(image), name), "Os": "linux", "Architecture": "amd64", "Config": config}

    def history(self, image: str) -> list[Json]:
        """The answer of /images/{name}/history: the newest step first. Raises `EngineApiError`."""
        key = self.id_of(image)
        created, names = self._created.get(key, _BUILT_IN_CREATED), self._names(key)
        steps = [("serve", 0, key, names), ("ADD simulated layer", IMAGE_SIZE, "<missing>", None)]
        return [
            {"Id": step, "Created": created, "CreatedBy": text, "Size": size, "Tags": tags, "Comment": ""}
            for text, size, step, tags in steps
        ]

    def remove(self, image: str, containers: Iterable[SimulatedContainer], *, force: bool) -> list[Json]:
        """Remove a name, and the image with the last one; what the engine answers.

        Raises `EngineApiError` as engines do: while one of `containers` uses it, or for an id with several names.
        """
        key = self.id_of(image)
        names = self._names(key) if image == key else [self.require(image)]
        users = [container for container in containers if container.image_id == key]
        is_last = set(self._names(key)) <= set(names)
        self._refuse_removal(key, names, users if is_last else [], by_id=image == key, force=force)
        for name in names:
            self._ids.pop(name, None)
            self._events.publish("image", "untag", key, {"name": key})
            self._drop_digests(key, repository(name))
        untagged: list[Json] = [{"Untagged": name} for name in names]
        if not is_last or users:
            return untagged
        self._forget(key)
        self._events.publish("image", "delete", key, {"name": key})
        return [*untagged, {"Deleted": key}]

    def _drop_digests(self, key: str, gone: str) -> None:
        """With the last name in a repository an image loses the digests that it had from there."""
        if not any(repository(name) == gone for name in self._names(key)):
            kept = [each for each in self._digests.get(key, ()) if repository(each) != gone]
            self._digests[key] = kept

    @staticmethod
    def _refuse_removal(
        key: str, names: list[str], users: list[SimulatedContainer], *, by_id: bool, force: bool
    ) -> None:
        short = key.removeprefix("sha256:")[:12]
        running = next((each for each in users if each.running), None)
        if by_id and running is not None:
            raise conflict(
                f"conflict: unable to delete {short} (cannot be forced) - "
                f"image is being used by running container {running.id[:12]}"
            )
        if users and not force:
            what = f"delete {short}" if by_id else f'remove repository reference "{names[0]}"'
            raise conflict(
                f"conflict: unable to {what} (must force) - container {users[0].id[:12]} is using its referenced image"
                f" {short}"
            )
        if by_id and len(names) > 1 and not force:
            raise conflict(
                f"conflict: unable to delete {short} (must be forced) - image is referenced in multiple repositories"
            )

    def save(self, images: Iterable[str]) -> Iterator[bytes]:
        """An archive that another simulated engine loads, in pieces. Raises `EngineApiError` before the first."""
        manifest = []
        for image in images:
            key = self.id_of(image)
            names = [] if image == key else [tagged_name(image)]
            manifest.append({"Config": f"{key[7:]}.json", "RepoTags": names, "Layers": [_LAYER]})
        return _archive(json.dumps(manifest).encode())


def read_archive(file: Readable) -> list[LoadedImage]:
    """The images in a whole archive, a real engine's too. Raises `EngineApiError`.

    It is read as a stream and to its end: one that is cut off must not be taken.
    """
    manifest, entries = None, set()
    try:
        with tarfile.open(fileobj=cast(IO[bytes], file), mode="r|") as tar:
            for entry in tar:
                entries.add(entry.name)
                if entry.name == _MANIFEST and (member := tar.extractfile(entry)) is not None:
                    manifest = json.loads(member.read(_MAX_MANIFEST))
        return _images_with_layers(manifest, entries)
    except _INVALID_ARCHIVE_ERRORS:
        raise bad_request("the archive holds no images, or is cut off") from None


def _images_with_layers(manifest: Any, entries: set[str]) -> list[LoadedImage]:
    """Raises `ValueError` when a layer is missing: tar knows no count, and may be cut off between two entries."""
    if not all(entries.issuperset(image.get("Layers") or ()) for image in manifest):
        raise ValueError("a layer is missing")
    return [_loaded_image(image) for image in manifest]


def _loaded_image(image: Json) -> LoadedImage:
    """The id is in the name of the image's configuration, where the archive has one."""
    names = tuple(str(name) for name in image.get("RepoTags") or ())
    found = _CONFIG_ID.search(str(image.get("Config") or ""))
    return LoadedImage(f"sha256:{found[1]}" if found else image_id(names[0] if names else json.dumps(image)), names)


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
