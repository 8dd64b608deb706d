"""What is in a folder, read from the headers of its tar archive as it comes; nothing is unpacked; pure."""

from __future__ import annotations

import tarfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import IO, cast

MAX_ENTRIES = 2000
MAX_BYTES = 512 * 1024 * 1024
MAX_SECONDS = 10.0
_MAX_EXTENDED_HEADER = 1024 * 1024
_PIECE = 65536
_EXTENDED = frozenset(
    {tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE}
)


class ArchiveBroken(Exception):
    """What came is not an archive, or ends too early."""


@dataclass(slots=True)
class Entry:
    """One thing in a folder: `kind` is folder, file, link or other, `size` in bytes, of a folder all that is in it."""

    name: str
    kind: str
    size: int = 0
    changed: datetime | None = None
    mode: int = 0
    link: str = ""


@dataclass(frozen=True, slots=True)
class FolderListing:
    """The entries of a folder, folders first; `is_complete` is false where it was too much to read to its end."""

    entries: tuple[Entry, ...] = ()
    is_complete: bool = True


class PieceReader:
    """Pieces as a file that is read once, up to a number of bytes and a time; then it ends as if there were no more."""

    def __init__(self, pieces: Iterable[bytes], max_bytes: int, seconds: float) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._left, self._until = max_bytes, time.monotonic() + seconds
        self._buffer = b""
        self.is_cut = False

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, b"" at the end."""
        while not self._buffer:
            if self._left <= 0 or time.monotonic() > self._until:
                self.is_cut = True
                return b""
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._buffer = piece
            self._left -= len(piece)
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found


class _BoundedInfo(tarfile.TarInfo):
    """A header; one whose long name or attributes would not fit into memory is refused before they are read."""

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENDED and self.size > _MAX_EXTENDED_HEADER:
            raise tarfile.ReadError("a header is too long")
        return super()._proc_member(tarfile_)  # type: ignore[misc,no-any-return]  # of the library, which has no hook


@dataclass(slots=True)
class _Folder:
    """The folder as far as it was read."""

    entries: dict[str, Entry] = field(default_factory=dict)
    is_full: bool = False

    def add(self, member: tarfile.TarInfo) -> None:
        """Note one header: an entry of the folder itself, or bytes in one of its folders."""
        parts = [part for part in member.name.split("/") if part not in {"", "."}][1:]
        if not parts:
            return
        found = self.entries.get(parts[0])
        if found is None:
            if len(self.entries) >= MAX_ENTRIES:
                self.is_full = True
                return
            found = self.entries[parts[0]] = Entry(parts[0], "folder")
        if len(parts) == 1:
            found.kind, found.mode, found.link = _kind(member), member.mode & 0o7777, member.linkname
            found.changed = _time(member.mtime)
        if member.isreg():
            found.size += member.size


def read_entries(pieces: Iterable[bytes], max_bytes: int = MAX_BYTES, seconds: float = MAX_SECONDS) -> FolderListing:
    """The entries of the folder whose archive these pieces are. Raises `ArchiveBroken`, and what `pieces` raise."""
    reader, folder = PieceReader(pieces, max_bytes, seconds), _Folder()
    try:
        with open_archive(reader) as tar:
            for member in tar:
                folder.add(member)
                tar.members = []  # type: ignore[attr-defined]  # else each header is kept until the end
                if folder.is_full:
                    break
    except (tarfile.TarError, ValueError, OverflowError, UnicodeError) as error:
        if not reader.is_cut:
            raise ArchiveBroken(str(error)) from None
    entries = sorted(folder.entries.values(), key=lambda each: (each.kind != "folder", each.name.lower(), each.name))
    return FolderListing(tuple(entries), is_complete=not (reader.is_cut or folder.is_full))


def open_archive(reader: PieceReader) -> tarfile.TarFile:
    """An archive that is read as it comes."""
    return tarfile.open(fileobj=cast(IO[bytes], reader), mode="r|", tarinfo=_BoundedInfo)


def file_content(pieces: Iterable[bytes], size: int, seconds: float) -> Iterator[bytes]:
    """The content of the one file in an archive. Raises `ArchiveBroken` when it is cut off."""
    reader = PieceReader(pieces, size + _MAX_EXTENDED_HEADER * 4, seconds)
    try:
        with open_archive(reader) as tar:
            member = tar.next()
            content = tar.extractfile(member) if member is not None and member.isreg() else None
            if member is None or content is None:
                raise ArchiveBroken("There is no file in what the engine sent.")
            left = member.size
            while left > 0 and (piece := content.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece
    except tarfile.TarError as error:
        raise ArchiveBroken(str(error)) from None
    if left:
        raise ArchiveBroken("The file ended too early.")


def _kind(member: tarfile.TarInfo) -> str:
    if member.isdir():
        return "folder"
    if member.issym():
        return "link"
    return "file" if member.isreg() or member.islnk() else "other"


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds else None
    except (OverflowError, OSError, ValueError):
        return None
