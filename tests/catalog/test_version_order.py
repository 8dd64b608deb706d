"""Versions are compared as people write them, and so are ranges of versions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.catalog.external_ids import VersionId, parse_external_id, parse_version_id
from apps.catalog.version_heads import read_head
from apps.catalog.version_order import admits, compare

ORDERED = ["0.9", "1.0-alpha", "1.0-rc1", "1.0", "1.0.1", "1.2", "1.10", "2.0", "10.0"]


@pytest.mark.parametrize(("low", "high"), list(itertools.pairwise(ORDERED)))
def test_versions_are_in_order(low: str, high: str):
    assert (compare(low, high), compare(high, low)) == (-1, 1)


@pytest.mark.parametrize(("one", "other"), [("1.0", "1.0.0"), ("v1.2", "1.2"), ("1.0+build5", "1.0"), ("2", "2.0")])
def test_some_are_written_differently(one: str, other: str):
    assert compare(one, other) == 0


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_two_can_be_compared(one: str, other: str):
    assert compare(one, other) == -compare(other, one)
    assert compare(one, one) == 0


@pytest.mark.parametrize(
    ("range_text", "version", "expected"),
    [
        ("", "1.0", True),
        (">=1.0", "1.0", True),
        (">=1.0", "0.9", False),
        (">=1.0 <2.0", "1.5", True),
        (">=1.0, <2.0", "2.0", False),
        ("<1.0 || >=3.0", "3.1", True),
        ("<1.0 || >=3.0", "2.0", False),
        ("1.2", "1.2.0", True),
        ("!=1.2", "1.2", False),
        ("~1.2", "1.2.9", True),
        ("~1.2", "1.3", False),
        ("^1.2", "1.9", True),
        ("^1.2", "2.0", False),
        ("anything at all?", "1.0", True),
        ("||", "1.0", True),
    ],
)
def test_a_range_admits_versions(range_text: str, version: str, expected: bool):
    assert admits(range_text, version) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("library:jenkins:0", VersionId("library", "jenkins", 0)),
        ("library:infra*ipsec:12", VersionId("library", "infra*ipsec", 12)),
        ("library:jenkins", None),
        ("library:jenkins:x", None),
        ("a:b:c:0", None),
        ("a/b:c:0", None),
        ("", None),
    ],
)
def test_a_version_is_named(text: str, expected: VersionId | None):
    assert parse_version_id(text) == expected
    assert parse_external_id(f"catalog://{text}") == expected
    assert parse_external_id(text) is None
    if expected is not None:
        assert expected.external_id == f"catalog://{text}"


HEAD = """\
# a comment
.catalog:
  name: "Web"
  version: '1.2' # as people call it
  # nothing
  description: |
    version: 9.9
  upgrade_from: ">=1.0"
  questions:
    - variable: version
      version: 7
web:
  version: 8
"""


@pytest.mark.parametrize("start", [".catalog:", "catalog:", '".catalog":', "'catalog' :"])
def test_the_head_of_a_version_is_read_without_parsing_it(start: str):
    text = HEAD.replace(".catalog:", start)
    assert read_head(text.encode()) == {"name": "Web", "version": "1.2", "upgrade_from": ">=1.0"}


def test_a_section_of_the_second_form_is_indented():
    text = "version: '2'\nservices:\n  .catalog:\n    version: v3\n  web:\n    version: 4\n"
    assert read_head(text.encode()) == {"version": "v3"}


@pytest.mark.parametrize(
    "content", [b"", b"web:\n  version: 1\n", b"\xff\xfe\x00", b".catalog:", b".catalog: {version: 1}"]
)
def test_what_has_no_such_section_has_no_head(content: bytes):
    assert read_head(content) == {}


@given(st.binary(max_size=200))
def test_a_head_is_read_of_whatever_there_is(content: bytes):
    assert isinstance(read_head(b".catalog:\n  " + content), dict)
