"""Folders are listed from the headers of archives, within bounds whatever comes."""

from __future__ import annotations

import contextlib
import io
import tarfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.volumes.files import entries
from apps.volumes.files.entries import ArchiveBroken, FolderListing, file_content, read_entries
from apps.volumes.files.paths import MAX_DEPTH, parse_path


def archive(*members: tuple[str, bytes | str | None], format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """A tar archive: bytes make a file, a text a symbolic link, None a folder."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=format) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.mtime = 1_700_000_000
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return target.getvalue()


def pieces(data: bytes, size: int = 1000) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def listed(data: bytes, **limits: float) -> FolderListing:
    return read_entries(pieces(data), **limits)  # type: ignore[arg-type]


def test_folders_come_first_with_all_that_is_in_them():
    data = archive(("v", None), ("v/b.txt", b"12345"), ("v/a", None), ("v/a/x", b"123"), ("v/a/y/z", b"4"))
    found = listed(data).entries
    assert [(each.name, each.kind, each.size) for each in found] == [("a", "folder", 4), ("b.txt", "file", 5)]
    assert found[1].changed is not None
    assert found[1].changed.year == 2023


def test_links_are_shown_and_not_followed():
    (found,) = listed(archive(("v", None), ("v/out", "../../etc/passwd"))).entries
    assert (found.kind, found.link) == ("link", "../../etc/passwd")


def test_an_empty_folder_has_no_entries():
    assert listed(archive(("v", None))) == FolderListing()


def test_a_folder_without_a_header_of_its_own_is_one():
    assert [(e.name, e.kind) for e in listed(archive(("v/a/b", b"1"))).entries] == [("a", "folder")]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_names_are_whole(form: int):
    name = "x" * 200
    assert listed(archive(("v", None), (f"v/{name}", b""), format=form)).entries[0].name == name


def test_what_is_too_much_is_cut_and_said():
    many = archive(("v", None), *((f"v/{number:05d}", b"") for number in range(50)))
    assert listed(many, max_bytes=10_000).is_complete is False
    assert 0 < len(listed(many, max_bytes=10_000).entries) < 50
    assert listed(many, seconds=-1.0) == FolderListing((), is_complete=False)
    assert listed(many).is_complete


def test_more_entries_than_are_shown_are_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(entries, "MAX_ENTRIES", 3)
    found = listed(archive(("v", None), *((f"v/{number}", b"") for number in range(9))))
    assert len(found.entries) == 3
    assert not found.is_complete


def test_a_large_file_in_the_way_does_not_hide_what_came_before():
    data = archive(("v", None), ("v/a.txt", b"1"), ("v/big", b"0" * 200_000), ("v/z.txt", b"2"))
    found = listed(data, max_bytes=100_000)
    assert [each.name for each in found.entries] == ["a.txt", "big"]
    assert not found.is_complete


@pytest.mark.parametrize("data", [b"", b"no archive at all" * 100, archive(("v", None), ("v/a", b"x" * 5000))[:2000]])
def test_what_is_no_archive_or_ends_early_is_broken(data: bytes):
    with pytest.raises(ArchiveBroken):
        listed(data)


def test_an_attribute_of_a_gigabyte_is_not_read():
    info = tarfile.TarInfo("v/x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    with pytest.raises(ArchiveBroken):
        listed(info.tobuf() + b"\0" * 4096)


@given(st.binary(max_size=3000))
def test_whatever_comes_is_listed_or_refused(data: bytes):
    try:
        found = read_entries(pieces(data, 512), seconds=5.0)
    except ArchiveBroken:
        return
    assert isinstance(found, FolderListing)


@given(st.integers(0, 4000), st.integers(0, 255))
def test_a_changed_byte_does_no_harm(place: int, value: int):
    data = bytearray(archive(("v", None), ("v/a", b"123"), ("v/b", None), ("v/b/c", b"4" * 600)))
    data[place % len(data)] = value
    with contextlib.suppress(ArchiveBroken):
        read_entries(pieces(bytes(data)), seconds=5.0)


def test_a_files_content_comes_whole():
    data = archive(("b.bin", bytes(range(256)) * 1000))
    assert b"".join(file_content(pieces(data), 256_000, 5.0)) == bytes(range(256)) * 1000


@pytest.mark.parametrize(
    "data", [archive(("b", None)), archive(("b", "/etc/passwd")), archive(("b", b"x" * 9000))[:5000]]
)
def test_what_is_no_file_or_ends_early_is_not_passed_off_as_one(data: bytes):
    with pytest.raises(ArchiveBroken):
        b"".join(file_content(pieces(data), 9000, 5.0))


@pytest.mark.parametrize(
    ("path", "parts"),
    [("", ()), ("/", ()), ("a", ("a",)), ("/a//b/", ("a", "b")), ("./a/.", ("a",)), ("a b/ü", ("a b", "ü"))],
)
def test_paths_are_read_from_the_top_of_the_volume(path: str, parts: tuple[str, ...]):
    assert parse_path("path", path) == parts


@pytest.mark.parametrize("path", ["..", "a/../b", "/../etc", "a\0b", "a/" * (MAX_DEPTH + 1), "x" * 5000])
def test_a_path_that_leads_out_is_refused(path: str):
    with pytest.raises(Invalid) as refused:
        parse_path("path", path)
    assert refused.value.field == "path"
