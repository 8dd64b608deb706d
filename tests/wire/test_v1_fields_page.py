"""The page about fields that differ from Rancher's v1 agrees with the schemas of every role."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.wire.api_client import ApiClient

PAGE = Path(__file__).parents[2] / "docs/reference/v1-fields.md"
INSIDE = ("rita", "rex", "bob", "alice", "root")
ADMINS = "administrators only"
Schemas = dict[str, dict[str, Any]]


def words(text: str) -> list[str]:
    """The words in backticks."""
    return re.findall(r"`([^`]+)`", text)


def rows() -> Iterator[tuple[list[str], list[str], list[str], str]]:
    """Types, fields that are missing here, fields that exist only here, and why."""
    for line in PAGE.read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| type "):
            types, missing, added, why = (cell.strip() for cell in line.strip("|").split("|"))
            yield types.split(", "), words(missing), words(added), why


def own_types() -> list[str]:
    """The types that v1 does not have."""
    return words(PAGE.read_text().partition("Types of our own:")[2])


@pytest.fixture
def seen_by(api_of: Any, lab: Any) -> dict[str, Schemas]:
    """The schemas of each role by type."""
    callers = {each: api_of(each).inside(lab) for each in INSIDE}
    callers |= {"nobody": ApiClient(), "user": api_of("bob"), "admin": api_of("root")}
    found = {who: api.get("schemas?limit=1000")["data"] for who, api in callers.items()}
    return {who: {each["id"]: each["resourceFields"] for each in types} for who, types in found.items()}


def test_every_field_is_in_the_schemas_as_the_page_says(seen_by: dict[str, Schemas]):
    wrong = []
    for types, missing, added, why in rows():
        for who, schemas in seen_by.items():
            hidden = added if why.startswith(ADMINS) and who != "admin" else []
            for fields, name in ((schemas[name], name) for name in types if name in schemas):
                wrong += [f"{who}: {name} has {each}" for each in missing + hidden if each in fields]
                wrong += [f"{who}: {name} lacks {each}" for each in added if each not in fields and each not in hidden]
    assert wrong == []


def test_every_type_of_the_page_is_known_to_somebody(seen_by: dict[str, Schemas]):
    known = {name for schemas in seen_by.values() for name in schemas}
    named = {name for types, *_rest in rows() for name in types}
    assert named | set(own_types()) <= known
    assert not named & set(own_types())
    assert len(named) > 15


def test_every_row_of_the_page_is_parsed():
    table = list(rows())
    for types, missing, added, why in table:
        assert missing or added, types
        assert why, types
        assert len({*missing, *added}) == len(missing) + len(added), types
    documented = [(name, each) for types, missing, added, _why in table for name in types for each in missing + added]
    assert len(documented) == len(set(documented))


def test_additional_types_are_sorted_and_unique():
    assert own_types() == sorted(set(own_types()))


def test_the_secrets_of_a_changed_password_are_never_shown(seen_by: dict[str, Schemas]):
    for schemas in seen_by.values():
        for name, field in schemas.get("changeSecretInput", {}).items():
            assert field["type"] == "password" or name == "id"
