"""An id says what it is of: the letters before its number belong to one type, but for those that v1 itself shares."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest

from apps.api.wire.dialect import V1, V2_BETA, Dialect
from apps.api.wire.kinds import wire_type
from apps.api.wire.resource import Resource, all_resources, find_resource
from apps.catalog.services import catalog_create
from apps.console.components.buttons import KIND_NAMES
from apps.core.ids import wire_id
from apps.environments.actor import SYSTEM
from apps.environments.models import Environment
from tests.wire.api_client import ApiClient

# Letters that v1 gave to several types with rows (contract, section 1.3).
SHARED_IN_V1 = {"c": {"certificate", "credential"}}


def types_with_rows(dialect: Dialect) -> dict[str, set[str]]:
    """The root types whose rows have an id made of the number in their table, by letters."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in all_resources(dialect):
        if each.model is not None:
            found[each.id_prefix].add(each.base_type or each.name)
    return found


@pytest.mark.parametrize("dialect", [V1, V2_BETA], ids=lambda each: each.name)
def test_no_two_types_with_rows_share_the_letters_of_their_ids(dialect: Dialect):
    shared = {letters: names for letters, names in types_with_rows(dialect).items() if len(names) > 1}
    assert shared == SHARED_IN_V1


def test_the_console_shows_the_ids_of_the_api():
    differing = {}
    for kind, (_page, plural, letters) in KIND_NAMES.items():
        resource = find_resource(wire_type(kind))
        assert isinstance(resource, Resource), kind
        if (resource.plural_name, resource.id_prefix) != (plural, letters):
            differing[kind] = (resource.plural_name, resource.id_prefix)
    assert differing == {}


def test_an_id_that_somebody_kept_with_its_former_letters_still_finds_its_row(
    api_of: Callable[[str], ApiClient], lab: Environment
):
    row = catalog_create(actor=SYSTEM, environment=lab, name="mine", url="https://git.example.com/a.git")
    api = api_of("alice")
    now, before = wire_id("cat", row.pk), wire_id("c", row.pk)
    assert api.get(f"catalogs/{before}")["id"] == now
    assert api.get(f"catalogs/{wire_id('h', row.pk)}").status == 404
