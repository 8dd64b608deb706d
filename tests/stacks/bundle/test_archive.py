"""Archives in memory: what is taken, what is refused, and that nothing large is ever made of something small."""

from __future__ import annotations

import gzip
import io
import zipfile

import pytest

from apps.core.errors import Invalid
from apps.stacks.bundle.archive import MAX_BUNDLE, MAX_FILE, MAX_FILES, MAX_UNPACKED, unpack
from tests.stacks.bundle.archives import tar_of, zip_of

FILES = {"shop/compose.yml": b"services: {}", "shop/env/web.env": b"A=1"}


@pytest.mark.parametrize(
    "data", [zip_of(FILES), tar_of(FILES), gzip.compress(tar_of(FILES))], ids=["zip", "tar", "tar.gz"]
)
def test_zip_tar_and_gzip_are_read_without_the_folder_around_them(data: bytes):
    assert unpack(data) == {"compose.yml": b"services: {}", "env/web.env": b"A=1"}


def test_a_file_beside_the_folder_keeps_its_name():
    assert set(unpack(zip_of({"a/x": b"1", "y": b"2"}))) == {"a/x", "y"}


def _zip_with_link() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        entry = zipfile.ZipInfo("key")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/shadow")
    return data.getvalue()


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"services: {}", "InvalidFormat", "neither a zip nor a tar"),
        (b"", "InvalidFormat", "neither a zip nor a tar"),
        (b"PK\x03\x04 and nothing more", "InvalidFormat", "cannot be read"),
        (b"\x1f\x8b and nothing more", "InvalidFormat", "cannot be read"),
        (gzip.compress(tar_of(FILES))[:60], "InvalidFormat", ""),
        (tar_of({}), "InvalidFormat", ""),
        (zip_of({"../compose.yml": b""}), "InvalidReference", "out of the bundle"),
        (zip_of({"/etc/passwd": b""}), "InvalidReference", "out of the bundle"),
        (zip_of({"C:\\x": b""}), "InvalidReference", "out of the bundle"),
        (tar_of({"a/../../b": b""}), "InvalidReference", "out of the bundle"),
        (tar_of({"a\nb": b""}), "InvalidReference", "out of the bundle"),
        (tar_of(FILES, links={"key": "/etc/shadow"}), "InvalidFormat", "is a link"),
        (_zip_with_link(), "InvalidFormat", "is a link"),
        (zip_of({"a/x": b"1", "a/./x": b"2"}), "NotUnique", "twice"),
        (zip_of({str(number): b"" for number in range(MAX_FILES + 1)}), "MaxLimitExceeded", "files"),
        (b"x" * (MAX_BUNDLE + 1), "MaxLengthExceeded", "at most"),
    ],
    ids=lambda value: value if isinstance(value, str) else "data",  # archives hold the time at which they were made
)
def test_what_is_no_bundle_is_refused_in_words(data: bytes, code: str, words: str):
    with pytest.raises(Invalid) as refused:
        unpack(data)
    assert (refused.value.field, refused.value.code) == ("bundle", code)
    assert words in refused.value.message


@pytest.mark.parametrize(
    "data",
    [
        zip_of({"bomb": bytes(MAX_FILE + 1)}),
        zip_of({str(number): bytes(MAX_FILE) for number in range(5)}),
        gzip.compress(bytes(200 * 1024 * 1024)),
        gzip.compress(tar_of({str(number): bytes(MAX_FILE) for number in range(MAX_UNPACKED // MAX_FILE + 1)})),
    ],
    ids=["one large file", "many files", "zeros", "many files in a tar"],
)
def test_a_bomb_is_refused(data: bytes):
    assert len(data) <= MAX_BUNDLE
    with pytest.raises(Invalid):
        unpack(data)
