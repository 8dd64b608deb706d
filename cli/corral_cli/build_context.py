"""A folder as the context of a build: a tar archive of what its `.dockerignore` does not leave out."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from corral_cli.dockerignore import IgnoreRules
from corral_cli.errors import CliError, ExitCode

_IGNORE_FILE = ".dockerignore"


def dockerfile_in(folder: Path, name: str, here: Path) -> str:
    """The path of the Dockerfile in the context; `name` is relative to the context, or to `here` if it leads into it.

    Raises `CliError` when it is not there.
    """
    if (folder / name).is_file() and not Path(name).is_absolute():
        return Path(os.path.normpath(name)).as_posix()
    outside = (here / name).resolve()
    if outside.is_file() and folder.resolve() in outside.parents:
        return outside.relative_to(folder.resolve()).as_posix()
    raise CliError(f"There is no {name} in {folder}: say which file with -f.", ExitCode.USAGE)


def pack_context(folder: Path, dockerfile: str, file: IO[bytes]) -> int:
    """Write the archive; its size in bytes. Raises `CliError` for what cannot be read."""
    try:
        ignore = folder / _IGNORE_FILE
        lines = ignore.read_text(encoding="utf-8", errors="replace").splitlines() if ignore.is_file() else []
        rules = IgnoreRules(lines, always=(dockerfile, _IGNORE_FILE))
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in _paths(folder, "", rules):
                tar.add(folder / path, arcname=path, recursive=False, filter=_without_owner)
    except OSError as error:
        raise CliError(
            f"{error.filename or folder} cannot be read: {error.strerror or error}.", ExitCode.USAGE
        ) from None
    return file.tell()


def _paths(folder: Path, below: str, rules: IgnoreRules) -> Iterator[str]:
    """What is sent, each folder before what is in it; sockets, pipes and devices are no part of a context."""
    with os.scandir(folder / below) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = f"{below}/{entry.name}" if below else entry.name
        mode = entry.stat(follow_symlinks=False).st_mode
        is_left_out = rules.leaves_out(path)
        if not is_left_out and (stat.S_ISREG(mode) or stat.S_ISLNK(mode) or stat.S_ISDIR(mode)):
            yield path
        if stat.S_ISDIR(mode) and (not is_left_out or rules.must_be_entered(path)):
            yield from _paths(folder, path, rules)


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Who owns a file here means nothing to the engine, and would make every copy of the folder another context."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
