"""Where a catalog's files come from: what a git store and a folder of the program have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class SourceError(Exception):
    """The files cannot be had; `str()` says why, in words for people."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file or folder: its path, a digest of what it holds, and the file's size in bytes."""

    path: str
    digest: str
    size: int
    is_folder: bool = False
    is_executable: bool = False


class FileSource(Protocol):
    """Files at one state, by path and by digest."""

    def entries(self, commit: str) -> list[StoredFile]:
        """Everything there is at this state."""

    def read(self, files: Iterable[tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
        """The contents of files given as (digest, size)."""


class FolderSource:
    """A folder of files that come with the program."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._paths: dict[str, Path] = {}
        self._entries: list[StoredFile] | None = None

    def state(self) -> str:
        """A digest of all of it: it changes with the files."""
        listed = "".join(f"{each.path}\0{each.digest}\n" for each in self.entries(""))
        return hashlib.sha256(listed.encode()).hexdigest()[:40]

    def entries(self, commit: str) -> list[StoredFile]:  # noqa: ARG002 - a folder has one state
        """Every file and folder; the digest of a folder is that of all within."""
        if self._entries is None:
            found: list[StoredFile] = []
            if self.folder.is_dir():
                self._walk(self.folder, "", found)
            self._entries = found
        return self._entries

    def _walk(self, folder: Path, prefix: str, found: list[StoredFile]) -> str:
        seen = hashlib.sha256()
        for path in sorted(folder.iterdir()):
            name = f"{prefix}{path.name}"
            if path.is_dir() and path.name != "__pycache__":
                digest, size = self._walk(path, f"{name}/", found), 0
                found.append(StoredFile(name, digest, 0, is_folder=True))
            elif path.is_file() and path.suffix not in {".py", ".pyc"}:
                content = path.read_bytes()
                digest, size = hashlib.sha256(content).hexdigest()[:40], len(content)
                self._paths[digest] = path
                found.append(StoredFile(name, digest, size))
            else:
                continue
            seen.update(f"{path.name}\0{digest}\n".encode())
        return seen.hexdigest()[:40]

    def read(self, files: Iterable[tuple[str, int]]) -> Iterator[tuple[str, bytes]]:
        """The contents of files given as (digest, size). Raises `SourceError`."""
        self.entries("")
        for digest, _size in files:
            if digest not in self._paths:
                raise SourceError("A file of the library is missing: the program was changed while it runs.")
            yield digest, self._paths[digest].read_bytes()
