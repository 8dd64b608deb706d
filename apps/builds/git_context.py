"""The context of a build out of a git repository: fetched as catalogs are, and written as a tar archive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from typing import IO
from uuid import UUID

from django.conf import settings

from apps.builds.context_files import context_path, git_folder, max_context
from apps.catalog.egress import Unreachable, permitted_address
from apps.catalog.git import GitCredential, GitStore
from apps.catalog.git_url import parse_git_url
from apps.catalog.source import SourceError, StoredFile
from apps.core.defaults import setting
from apps.core.errors import Invalid

MAX_FILES = 100_000
MAX_FILE = 64 * 1024**2
"""Bytes of one file, which is held in memory."""


def fetch_context(build: UUID, url: str, branch: str, folder: str, credential: GitCredential) -> tuple[str, int]:
    """Fetch a branch or commit and write `folder` of it as the build's context; the commit, and the size in bytes.

    Raises `SourceError` with the reason. Environments reach with builds what they reach with catalogs.
    """
    try:
        parsed = parse_git_url("gitUrl", url, allow_local=settings.CATALOG_LOCAL_REPOSITORIES)
        networks = setting("catalog.private.networks").split()
        address = parsed.host and permitted_address(parsed.host, parsed.port, is_trusted=False, networks=networks)
    except (Unreachable, Invalid) as problem:
        raise SourceError(str(problem)) from None
    store = GitStore(git_folder(build))
    try:
        login = GitCredential(credential.username or parsed.user, credential.secret)
        commit = store.fetch(parsed, branch, credential=login, address=address)
        files = _files_below(store.entries(commit), folder)
        return commit, _write(build, store, files)
    finally:
        store.remove()


def _files_below(entries: Sequence[StoredFile], folder: str) -> dict[str, StoredFile]:
    """The files of a folder by their paths in it. Raises `SourceError`."""
    start = f"{folder}/" if folder else ""
    found = {each.path[len(start) :]: each for each in entries if not each.is_folder and each.path.startswith(start)}
    if not found:
        raise SourceError(f"The repository has no folder {folder} with files." if folder else "It has no files.")
    if len(found) > MAX_FILES:
        raise SourceError(f"The repository has more than {MAX_FILES} files: build a folder of it.")
    if large := next((path for path, each in found.items() if each.size > MAX_FILE), ""):
        raise SourceError(f"{large} has more than {MAX_FILE // 1024**2} MB: send it in a context of your own.")
    if sum(each.size for each in found.values()) > max_context():
        raise SourceError(f"The files of the repository are larger than {max_context() // 1024**2} MB together.")
    return found


def _write(build: UUID, store: GitStore, files: dict[str, StoredFile]) -> int:
    paths: dict[str, list[str]] = {}
    for path, each in files.items():
        paths.setdefault(each.digest, []).append(path)
    with context_path(build).open("wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for digest, content in store.read((each.digest, each.size) for each in files.values()):
                for path in paths[digest]:
                    _add(tar, path, content, is_executable=files[path].is_executable)
        return file.tell()


def _add(tar: tarfile.TarFile, path: str, content: bytes, *, is_executable: bool) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = len(content), 0o755 if is_executable else 0o644
    data: IO[bytes] = io.BytesIO(content)
    tar.addfile(entry, data)
