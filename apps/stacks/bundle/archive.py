"""Unpacks an uploaded zip or tar into memory, within bounds; nothing is ever written to a disk. Pure."""

from __future__ import annotations

import io
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Iterator

from apps.core.errors import Invalid

FIELD = "bundle"
MAX_BUNDLE = 2 * 1024 * 1024
MAX_FILES = 200
MAX_FILE = 1024 * 1024
MAX_UNPACKED = 4 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_MAGIC_AT = 257
_MAX_RAW_TAR = MAX_UNPACKED + 1024 * (MAX_FILES + 64)  # every file has a header and is padded

Files = dict[str, bytes]


def refusal(message: str, code: str = "InvalidFormat") -> Invalid:
    """The error of a bundle that is not taken."""
    return Invalid(FIELD, code, message)


def unpack(data: bytes) -> Files:
    """The files of an archive by their paths, without the folder that all of them may be in.

    Raises `Invalid` on `bundle`: no zip, tar or tar.gz, too large, too many files, links, and paths that lead out.
    """
    if len(data) > MAX_BUNDLE:
        raise refusal(f"A bundle has at most {MAX_BUNDLE // 1024 // 1024} MB.", "MaxLengthExceeded")
    try:
        found = _collect(_zip_entries(data) if data.startswith(_ZIP) else _tar_entries(_plain_tar(data)))
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise refusal(f"The archive cannot be read: {str(error)[:120] or 'it is damaged'}.") from None
    if not found:
        raise refusal("The archive is empty: it has no files.")
    return _without_common_folder(found)


def _collect(entries: Iterator[tuple[str, bytes]]) -> Files:
    found: Files = {}
    left = MAX_UNPACKED
    for name, content in entries:
        path = inner_path(name)
        if path in found:
            raise refusal(f"{path} is in the archive twice.", "NotUnique")
        left -= len(content)
        if left < 0:
            raise refusal(f"Unpacked, a bundle has at most {MAX_UNPACKED // 1024 // 1024} MB.", "MaxLengthExceeded")
        if len(found) >= MAX_FILES:
            raise refusal(f"A bundle has at most {MAX_FILES} files.", "MaxLimitExceeded")
        found[path] = content
    return found


def inner_path(name: str, folder: str = "") -> str:
    """The normalized path of a file, relative to `folder`; `Invalid` for one outside the bundle."""
    plain = name.replace("\\", "/")
    path = posixpath.normpath(posixpath.join(folder, plain))
    is_outside = path == ".." or path.startswith(("../", "/")) or plain[1:2] == ":"
    if is_outside or not plain.strip() or not path.isprintable():
        raise refusal(f"{name[:80]!r} leads out of the bundle: only files inside it are read.", "InvalidReference")
    return path


def _zip_entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            if (entry.external_attr >> 16) & 0o170000 == 0o120000:
                raise refusal(f"{entry.filename[:80]!r} is a link; put the file itself into the bundle.")
            if entry.flag_bits & 1:
                raise refusal("The archive is encrypted; upload it without a password.")
            with archive.open(entry) as stream:
                yield entry.filename, _bounded(entry.filename, stream.read(MAX_FILE + 1))


def _plain_tar(data: bytes) -> bytes:
    """The tar itself: unpacked whole and bounded first, since its headers may ask for any amount of memory."""
    if data.startswith(_GZIP):
        stream = zlib.decompressobj(wbits=31)
        data = stream.decompress(data, _MAX_RAW_TAR)
        if stream.unconsumed_tail:
            raise refusal(f"Unpacked, a bundle has at most {MAX_UNPACKED // 1024 // 1024} MB.", "MaxLengthExceeded")
    if data[_TAR_MAGIC_AT : _TAR_MAGIC_AT + 5] != b"ustar":
        raise refusal("This is neither a zip nor a tar archive (plain or gzip).")
    return data


def _tar_entries(data: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        for entry in archive:
            if entry.isdir():
                continue
            content = archive.extractfile(entry) if entry.isreg() else None
            if content is None:
                raise refusal(f"{entry.name[:80]!r} is a link or no file; put the file itself into the bundle.")
            yield entry.name, _bounded(entry.name, content.read(MAX_FILE + 1))


def _bounded(name: str, content: bytes) -> bytes:
    if len(content) > MAX_FILE:
        raise refusal(f"{name[:80]!r} has more than {MAX_FILE // 1024 // 1024} MB.", "MaxLengthExceeded")
    return content


def _without_common_folder(found: Files) -> Files:
    """An archive of a folder has its name before each path."""
    first = next(iter(found)).partition("/")[0]
    if all(path.startswith(f"{first}/") for path in found):
        return _without_common_folder({path.partition("/")[2]: content for path, content in found.items()})
    return found
