"""Contexts on the portal's disk: of a repository just its files, whole or not at all, and gone afterwards."""

from __future__ import annotations

import os
import stat
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.builds import git_context
from apps.builds.context_files import (
    context_path,
    git_folder,
    read_context,
    remove_context,
    remove_left_behind,
    store_context,
)
from apps.builds.git_context import fetch_context
from apps.catalog.git import GitCredential
from apps.catalog.source import SourceError
from apps.core.streams import FileBrokenOff
from tests.catalog.repositories import Repository

pytestmark = pytest.mark.django_db
BUILD = uuid.UUID(int=7)
NOBODY = GitCredential()


@pytest.fixture(autouse=True)
def builds_folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    settings.DATA_DIR.mkdir()
    return tmp_path / "data" / "builds"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Files with and without the right to be run, the same content twice, a link, and a folder."""
    found = Repository(tmp_path / "repository")
    found.write(
        {"Dockerfile": "FROM x\n", "run.sh": "#!/bin/sh\n", "copy.sh": "#!/bin/sh\n", "app/a": "1", "app/b": "2"}
    )
    (found.folder / "run.sh").chmod(0o755)
    (found.folder / "link").symlink_to("/etc/passwd")
    found.commit()
    return found


def entries() -> dict[str, tuple[int, bytes]]:
    """The files in the context: mode and content."""
    with tarfile.open(context_path(BUILD)) as tar:
        found = {}
        for each in tar:
            file = tar.extractfile(each)
            assert file is not None, "files only"
            found[each.name] = (each.mode, file.read())
        return found


def test_a_repository_becomes_a_context_of_its_files(repository: Repository):
    commit, size = fetch_context(BUILD, repository.url, "", "", NOBODY)
    assert len(commit) == 40
    assert size == context_path(BUILD).stat().st_size
    assert entries() == {
        "Dockerfile": (0o644, b"FROM x\n"),
        "app/a": (0o644, b"1"),
        "app/b": (0o644, b"2"),
        "copy.sh": (0o644, b"#!/bin/sh\n"),
        "run.sh": (0o755, b"#!/bin/sh\n"),
    }
    assert not git_folder(BUILD).exists(), "the repository is not kept"


def test_a_folder_of_it_is_the_context_under_its_own_paths(repository: Repository):
    fetch_context(BUILD, repository.url, "", "app", NOBODY)
    assert sorted(entries()) == ["a", "b"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"MAX_FILES": 2}, "more than 2 files"), ({"MAX_FILE": 5}, "send it in a context")],
)
def test_a_repository_beyond_the_limits_is_refused(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], reason: str
):
    for name, value in limits.items():
        monkeypatch.setattr(git_context, name, value)
    with pytest.raises(SourceError, match=reason):
        fetch_context(BUILD, repository.url, "", "", NOBODY)
    assert not context_path(BUILD).exists()
    assert not git_folder(BUILD).exists()


def test_files_that_are_too_large_together_are_refused(repository: Repository, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(git_context, "max_context", lambda: 20)
    with pytest.raises(SourceError, match="larger than"):
        fetch_context(BUILD, repository.url, "", "", NOBODY)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("https://127.0.0.1/x.git", "must not reach"),
        ("https://169.254.169.254/x.git", "must not reach"),
        ("ssh://git@[::1]/x.git", "must not reach"),
        ("nonsense", "cannot be used"),
        ("file:///nowhere/at/all", "no git repository"),
    ],
)
def test_addresses_that_must_not_or_cannot_be_fetched_are_said(url: str, reason: str):
    with pytest.raises(SourceError, match=reason):
        fetch_context(BUILD, url, "", "", NOBODY)


def test_a_context_is_read_as_it_was_sent_and_by_its_owner_only(builds_folder: Path):
    assert store_context(BUILD, iter([b"a", b"", b"b" * 300_000])) == 300_001
    assert b"".join(read_context(BUILD)) == b"a" + b"b" * 300_000
    assert stat.S_IMODE(context_path(BUILD).stat().st_mode) == 0o600
    assert stat.S_IMODE(builds_folder.stat().st_mode) == 0o700
    remove_context(BUILD)
    remove_context(BUILD)
    with pytest.raises(FileNotFoundError):
        read_context(BUILD)


def test_one_that_breaks_off_leaves_the_one_before(builds_folder: Path):
    store_context(BUILD, iter([b"first"]))

    def broken() -> Iterator[bytes]:
        yield b"second"
        raise FileBrokenOff

    with pytest.raises(FileBrokenOff):
        store_context(BUILD, broken())
    assert b"".join(read_context(BUILD)) == b"first"
    assert [each.name for each in builds_folder.iterdir()] == [f"{BUILD}.tar"]


def test_the_disk_is_looked_at_again_while_a_large_context_comes(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []

    def usage(_path: Path) -> Any:
        asked.append(1)
        return type("Usage", (), {"free": 2**40})

    monkeypatch.setattr("shutil.disk_usage", usage)
    store_context(BUILD, iter([bytes(16 * 1024**2)] * 9))
    assert 2 <= len(asked) <= 4, "now and then, not for each piece"


def test_what_was_left_behind_goes_and_what_is_new_stays(builds_folder: Path):
    store_context(BUILD, iter([b"x"]))
    old = [builds_folder / "old.tar", builds_folder / "old.part", builds_folder / "old.git" / "objects"]
    for path in old[:2]:
        path.write_bytes(b"x")
    old[2].mkdir(parents=True)
    for path in (*old[:2], builds_folder / "old.git"):
        os.utime(path, (0, 0))
    remove_left_behind()
    assert [each.name for each in builds_folder.iterdir()] == [f"{BUILD}.tar"]
