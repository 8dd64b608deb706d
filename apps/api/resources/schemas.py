"""`schema`: what the caller's role may do with each type."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.api.wire.context import ApiCaller
from apps.api.wire.fields import parse_fields
from apps.api.wire.resource import (
    Data,
    Resource,
    find_resource,
    visible_resources,
)
from apps.api.wire.roles import TypeRoles
from apps.api.wire.schema import build_schema


class SchemaResource(Resource):
    """A type's schema, by its name or plural."""

    name = "schema"
    roles = TypeRoles(anonymous="r", user="r", admin="r", environment={"view": "r"})
    sortable = False
    is_paged = False  # v1's clients read all types at once, and know none that they did not find there
    own_fields = parse_fields("""
        pluralName        string        r <plural_name
        resourceMethods   array[string] r
        collectionMethods array[string] r
        resourceFields    map[json]     r
        resourceActions   map[json]     r
        collectionActions map[json]     r
        collectionFields  map[json]     r
        collectionFilters map[json]     r
        includeableLinks  array[string] r
    """)

    def list_rows(self, caller: ApiCaller, query_params: QueryDict) -> list[Any]:  # noqa: ARG002 - the base's signature
        """The types that exist for the caller's role."""
        return visible_resources(caller)

    def find(self, caller: ApiCaller, key: int | str | None) -> Any:
        """The schema of this name."""
        found = find_resource(key, caller.dialect) if isinstance(key, str) else None
        return found if found in visible_resources(caller) else None

    def custom_body(self, caller: ApiCaller, row: Any) -> Data:
        """The schema."""
        return build_schema(row, caller)
