"""What v1 calls the kinds of rows: inside, a tenant is an `environment` and a group of services a `stack`.

Only here do the two vocabularies meet. On the wire an environment is a `project` and a stack an `environment`; every
other kind has the same name on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Case, CharField, F, Value, When
from django.db.models.functions import Concat, Substr

WIRE_TYPES = {"environment": "project", "stack": "environment"}
LATER_TYPES = {"environment": "project"}
"""The same in v2-beta, where a stack is a stack."""
KINDS = {wire: kind for kind, wire in WIRE_TYPES.items()}


def wire_type(kind: str, types: Mapping[str, str] = WIRE_TYPES) -> str:
    """v1's type of a kind, or another dialect's by its `types`."""
    return types.get(kind, kind)


def wire_name(name: str, types: Mapping[str, str] = WIRE_TYPES) -> str:
    """v1's name of an operation or event: `stack.create` -> `environment.create`."""
    kind, dot, action = name.partition(".")
    return f"{wire_type(kind, types)}{dot}{action}"


def internal_name(name: str) -> str:
    """The name of an operation or event that v1 calls `name`."""
    kind, dot, action = name.partition(".")
    return f"{KINDS.get(kind, kind)}{dot}{action}"


def wire_type_column(column: str, types: Mapping[str, str] = WIRE_TYPES) -> Case:
    """`wire_type` of a column, for queries: filters and sorting see v1's words too."""
    words = (When(**{column: kind}, then=Value(wire)) for kind, wire in types.items())
    return Case(*words, default=F(column), output_field=CharField())


def wire_name_column(column: str, *, prefix: str = "", types: Mapping[str, str] = WIRE_TYPES) -> Case:
    """`wire_name` of a column, for queries, with `prefix` before it."""
    words = (
        When(
            **{f"{column}__startswith": f"{kind}."},
            then=Concat(Value(f"{prefix}{wire}"), Substr(column, len(kind) + 1), output_field=CharField()),
        )
        for kind, wire in types.items()
    )
    plain = Concat(Value(prefix), column, output_field=CharField()) if prefix else F(column)
    return Case(*words, default=plain, output_field=CharField())
