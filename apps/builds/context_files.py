"""Contexts of builds on the disk of the portal: kept from when they come until the build has ended."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings

from apps.core.defaults import setting_int
from apps.core.errors import Problem

_PIECE = 256 * 1024
_LEFT_BEHIND = 2 * 86_400.0
_MIN_FREE = 1024**3
"""Bytes of the disk that contexts leave to the rest of the portal."""


def max_context() -> int:
    """The largest context in bytes."""
    return setting_int("build.context.megabytes") * 1024**2


def context_path(build: UUID) -> Path:
    """Where the context of a build is."""
    return _folder() / f"{build}.tar"


def _folder() -> Path:
    folder = Path(settings.DATA_DIR) / "builds"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def store_context(build: UUID, pieces: Iterable[bytes]) -> int:
    """Write the context of a build; its size in bytes. It is there whole or not at all.

    Raises what `pieces` raise, and `Problem` when the disk is full.
    """
    remove_left_behind()
    path = context_path(build)
    partial = path.with_suffix(f".{os.getpid()}.{time.monotonic_ns()}.part")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in pieces:
                _require_space(file.tell(), len(piece))
                file.write(piece)
            size = file.tell()
        partial.replace(path)
    except OSError as error:
        raise Problem(
            f"The portal cannot keep the context: {error.strerror or error}.", status=507, code="Insufficient Storage"
        ) from None
    finally:
        with suppress(OSError):  # it was renamed
            partial.unlink()
    return size


def _require_space(written: int, more: int) -> None:
    """Look at the disk now and then: a full one would stop the whole portal."""
    if written // (64 * 1024**2) == (written + more) // (64 * 1024**2) and written:
        return
    if shutil.disk_usage(_folder()).free < _MIN_FREE:
        raise OSError("its disk is nearly full")


def read_context(build: UUID) -> Iterator[bytes]:
    """The context piece by piece. Raises `FileNotFoundError` before the first if it is not on this machine."""
    path = context_path(build)
    path.stat()

    def pieces() -> Iterator[bytes]:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece

    return pieces()


def remove_context(build: UUID) -> None:
    """Delete the context of a build, if it is here, and the repository that it was made from."""
    with suppress(OSError):
        context_path(build).unlink()
    shutil.rmtree(git_folder(build), ignore_errors=True)


def git_folder(build: UUID) -> Path:
    """Where the repository of a build is fetched to."""
    return _folder() / f"{build}.git"


def remove_left_behind() -> None:
    """Delete what is left of builds whose rows went with their host, and of uploads that broke off with the portal."""
    old = time.time() - _LEFT_BEHIND
    for path in _folder().iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < old:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
