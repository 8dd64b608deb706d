"""From a request's body to checked values: unknown and unwritable fields drop out, wrong ones are refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from apps.api.wire.fields import Field
from apps.core.errors import Invalid, NotAllowed

LINES = "array["


def read(fields: Iterable[Field], body: Any, letter: str, *, admin: bool = False, form: bool = False) -> dict[str, Any]:
    """The values of the fields that may be written on `c`reate or `u`pdate; null counts as absent."""
    if body is None:
        body = {}
    if not isinstance(body, Mapping):
        raise Invalid("body", "InvalidFormat", "The body must be a JSON object.")
    found = {}
    for field in fields:
        if letter not in field.letters or (field.admin and not admin):
            continue
        value = _typed(field, body.get(field.name)) if form else body.get(field.name)
        if value is not None:
            found[field.name] = field.check(field.name, value)
        elif letter == "c":
            found.update(_missing(field))
    return found


def _missing(field: Field) -> dict[str, Any]:
    if field.required:
        raise Invalid(field.name, "MissingRequired", f"{field.name} is required.")
    return {} if field.default is None else {field.name: field.default}


def _typed(field: Field, value: Any) -> Any:
    """A form's text as what it stands for: JSON where the type is more than a text, lists also line by line."""
    if not isinstance(value, str) or field.type in {"string", "password", "enum"} or field.type.startswith("reference"):
        return value or None
    if not value.strip():
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value.split("\n") if field.type.startswith(LINES) else value


def pick(data: Mapping[str, Any], **columns: str) -> dict[str, Any]:
    """The given fields under the names a service knows them by: `pick(data, external_id="externalId")`."""
    return {column: data[name] for column, name in columns.items() if name in data}


def refuse_method(method: str) -> NotAllowed:
    """The refusal of a method that the caller's role does not have."""
    return NotAllowed(f"{method} is not possible here.")
