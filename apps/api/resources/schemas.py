"""`schema`: what the caller's role may do with each type."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from apps.api.wire import kinds
from apps.api.wire.caller import Caller
from apps.api.wire.fields import table
from apps.api.wire.kinds import Data, Resource, register
from apps.api.wire.schema import schema


@register
class SchemaType(Resource):
    """A type's schema, by its name or plural."""

    name = "schema"
    sortable = False
    own = table("""
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

    def listed(self, caller: Caller, asked: QueryDict) -> list[Any]:  # noqa: ARG002 - the base's signature
        """Those that exist for the caller's role."""
        return kinds.known(caller)

    def find(self, caller: Caller, key: int | str | None) -> Any:
        """The schema of this name."""
        found = kinds.named(key) if isinstance(key, str) else None
        return found if found in kinds.known(caller) else None

    def whole(self, caller: Caller, row: Any) -> Data:
        """The schema."""
        return schema(row, caller)
