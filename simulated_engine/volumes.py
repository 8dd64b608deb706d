"""The volumes of a simulated engine, and the files in them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from simulated_engine.container import SimulatedContainer
from simulated_engine.errors import conflict, not_found
from simulated_engine.events import EventBus
from simulated_engine.runtime import Runtime
from simulated_engine.timestamps import to_rfc3339

Json = dict[str, Any]
_GO_FOLDER, _GO_LINK = 1 << 31, 1 << 27
_PIECE = 32768
_ANONYMOUS = "com.docker.volume.anonymous"


class SimulatedVolumes:
    """The volumes of one engine, as the engine shows them.

    Files are kept by their paths inside the volume: bytes are a file's content, a text is where a symbolic link leads.
    """

    def __init__(self, runtime: Runtime, events: EventBus) -> None:
        self._runtime, self._events = runtime, events
        self._by_name: dict[str, Json] = {}
        self._files: dict[str, dict[str, bytes | str]] = {}

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
        """The volume of this name, made if absent; without a name always a new one. Raises `EngineApiError`."""
        name, driver = name or self._runtime.random_hex(32), driver or "local"
        found = self._by_name.get(name)
        if found is not None:
            if found["Driver"] != driver:
                raise conflict(f'create {name}: conflict: volume name must be unique with driver "{found["Driver"]}"')
            return found
        self._by_name[name] = {
            "Name": name,
            "Driver": driver,
            "Mountpoint": f"/var/lib/docker/volumes/{name}/_data",
            "Labels": dict(labels),
            "Options": dict(options or {}),
            "Scope": "local",
            "CreatedAt": to_rfc3339(self._runtime.now()),
        }
        self._files[name] = {}
        self._events.publish("volume", "create", name, {"driver": driver})
        return self._by_name[name]

    def mount(self, container: SimulatedContainer) -> None:
        """Make what a new container mounts and is not there yet."""
        for bind in container.config.get("Binds") or ():
            source = bind.partition(":")[0]
            if not source.startswith("/"):
                self.ensure(source, self._by_name.get(source, {}).get("Driver", ""), {})
        for name in container.unnamed_volumes.values():
            self.ensure(name, "", {_ANONYMOUS: ""})

    def unmount(self, container: SimulatedContainer) -> None:
        """Remove what a container had that nobody named."""
        for name in container.unnamed_volumes.values():
            self._discard(name)

    def remove(self, name: str, containers: Iterable[SimulatedContainer]) -> None:
        """Remove it. Raises `EngineApiError` while one of `containers` mounts it."""
        self.get(name)
        for container in containers:
            if _mounts(container, name):
                raise conflict(f"remove {name}: volume is in use - [{container.id}]")
        self._discard(name)

    def _discard(self, name: str) -> None:
        if self._by_name.pop(name, None) is not None:
            del self._files[name]
            self._events.publish("volume", "destroy", name, {"driver": "local"})

    def write(self, name: str, path: str, content: bytes | str) -> None:
        """Put a file, or a link as a text, into a volume. Raises `EngineApiError`."""
        self.get(name)
        self._files[name][path.strip("/")] = content

    def usage(self, containers: Iterable[SimulatedContainer]) -> list[Json]:
        """The volumes with their sizes, as in the answer of /system/df."""
        users = list(containers)
        return [
            {**each, "UsageData": {"Size": self._size(name), "RefCount": sum(_mounts(one, name) for one in users)}}
            for name, each in self._by_name.items()
        ]

    def _size(self, name: str) -> int:
        return sum(len(content) for content in self._files[name].values() if isinstance(content, bytes))

    def file_facts(self, container: SimulatedContainer, path: str) -> Json:
        """The header that describes what is at a path of a container. Raises `EngineApiError`."""
        files, inside = self._files_at(container, path)
        name, content = path.rstrip("/").rpartition("/")[2], files.get(inside)
        if isinstance(content, bytes):
            return {"name": name, "size": len(content), "mode": 0o644, "linkTarget": ""}
        if isinstance(content, str):
            return {"name": name, "size": len(content), "mode": 0o777 | _GO_LINK, "linkTarget": content}
        if inside and not any(each.startswith(f"{inside}/") for each in files):
            raise not_found(f"Could not find the file {path} in container {container.id}")
        return {"name": name, "size": 4096, "mode": 0o755 | _GO_FOLDER, "linkTarget": ""}

    def archive(self, container: SimulatedContainer, path: str) -> Iterator[bytes]:
        """What is at a path of a container, in pieces. Raises `EngineApiError` before the first."""
        self.file_facts(container, path)
        files, inside = self._files_at(container, path)
        target = io.BytesIO()
        with tarfile.open(fileobj=target, mode="w") as tar:
            for entry, content in _entries(path.rstrip("/").rpartition("/")[2], inside, files):
                tar.addfile(entry, io.BytesIO(content) if content else None)
        data = target.getvalue()
        return (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))

    def _files_at(self, container: SimulatedContainer, path: str) -> tuple[dict[str, bytes | str], str]:
        """The files of the volume that a container has mounted there, and the path inside it."""
        named = [bind.split(":") for bind in container.config.get("Binds") or () if not bind.startswith("/")]
        mounts = [(parts[1], parts[0]) for parts in named] + list(container.unnamed_volumes.items())
        for target, name in mounts:
            if path.rstrip("/") == target or path.startswith(f"{target}/"):
                return self._files.get(name, {}), path.removeprefix(target).strip("/")
        raise not_found(f"Could not find the file {path} in container {container.id}")


def _mounts(container: SimulatedContainer, name: str) -> bool:
    binds = container.config.get("Binds") or ()
    return name in container.unnamed_volumes.values() or any(bind.startswith(f"{name}:") for bind in binds)


def _entries(top: str, inside: str, files: Mapping[str, bytes | str]) -> Iterator[tuple[tarfile.TarInfo, bytes | None]]:
    """The entries of an archive in the engine's order: a folder before what is in it."""
    if inside in files:
        yield _entry(top, files[inside])
        return
    prefix = f"{inside}/" if inside else ""
    folders: set[str] = set()
    yield _folder(top), None
    for path in sorted(each for each in files if each.startswith(prefix)):
        parts = path.removeprefix(prefix).split("/")
        for depth in range(1, len(parts)):
            folder = "/".join(parts[:depth])
            if folder not in folders:
                folders.add(folder)
                yield _folder(f"{top}/{folder}"), None
        yield _entry(f"{top}/{path.removeprefix(prefix)}", files[path])


def _folder(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry


def _entry(name: str, content: bytes | str) -> tuple[tarfile.TarInfo, bytes | None]:
    entry = tarfile.TarInfo(name)
    if isinstance(content, str):
        entry.type, entry.linkname = tarfile.SYMTYPE, content
        return entry, None
    entry.size = len(content)
    return entry, content
