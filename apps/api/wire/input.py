"""Request bodies: parsed as JSON whatever the content type, or as a form, then validated field by field.

Unknown and unwritable fields are dropped, since v1 clients send whole resources back; invalid ones are refused by name.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.http import QueryDict
from rest_framework.parsers import BaseParser, MultiPartParser

from apps.api.wire.errors import BodyTooLarge
from apps.api.wire.fields import Field
from apps.core.errors import Invalid, MethodNotAllowed, Problem

MULTIPART = "multipart/form-data"
FORM_TYPES = ("application/x-www-form-urlencoded", MULTIPART)


class FormBody(dict[str, Any]):
    """A body sent as a form: all values are texts."""


class V1Parser(BaseParser):
    """Parses forms by their content type and everything else as JSON; an empty body is an empty object."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The parsed body; raises a `Problem` if it is too large or malformed."""
        kind = (media_type or "").partition(";")[0].strip().lower()
        if kind == MULTIPART:
            return FormBody(MultiPartParser().parse(stream, media_type, parser_context).data.items())
        raw = _read_limited(stream)
        # `curl -d` labels JSON as a form.
        if kind == FORM_TYPES[0] and raw.lstrip()[:1] not in {b"{", b"["}:
            return FormBody(QueryDict(raw).items())
        return load_strict_json(raw)


def _read_limited(stream: Any) -> bytes:
    max_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    # One byte beyond the limit is enough to refuse; Content-Length may be missing or wrong.
    raw: bytes = stream.read(max_bytes + 1)
    if len(raw) > max_bytes:
        raise BodyTooLarge(f"A body has at most {max_bytes // 1024} KB.")
    return raw


MAX_DEPTH = 64  # v1's deepest type has 5 levels, metadata whatever people nest


def load_strict_json(raw: bytes | str) -> Any:
    """Parse JSON without NaN and Infinity, and not deeper than `MAX_DEPTH`; an empty body is an empty object."""
    too_deep = Problem(f"The body is nested deeper than {MAX_DEPTH} levels.", status=422, code="InvalidBodyContent")
    try:
        found = _load(raw) if raw.strip() else {}
    except RecursionError:
        raise too_deep from None
    except ValueError:
        reason = "The body is not valid JSON; numbers must be finite, and have at most 4,300 digits."
        raise Problem(reason, status=422, code="InvalidBodyContent") from None
    if _is_deeper(found, MAX_DEPTH):
        raise too_deep
    return found


def _load(raw: bytes | str) -> Any:
    return json.loads(raw, parse_constant=_reject_constant, parse_float=_finite_float)


def _reject_constant(word: str) -> Any:
    raise ValueError(word)


def _finite_float(word: str) -> float:
    """A number as written; `1e999` would become infinite, which no JSON can say again."""
    if math.isinf(found := float(word)):
        raise ValueError(word)
    return found


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether maps and lists are nested deeper; level by level, as each must not cost a frame of the stack."""
    layer = [value]
    for _ in range(levels):
        layer = [inner for each in layer for inner in _children(each)]
        if not layer:
            return False
    return any(isinstance(each, dict | list) for each in layer)


def _children(value: Any) -> Iterable[Any]:
    """The maps and lists directly inside."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (each for each in inside if isinstance(each, dict | list))


def unwrap_form(body: Any) -> Any:
    """A form's fields, or the JSON in its field `_body`."""
    if isinstance(body, FormBody) and body.get("_body", "").strip():
        return load_strict_json(body["_body"])
    return body


ARRAY_PREFIX = "array["


def validate_body(
    fields: Iterable[Field], body: Any, letter: str, *, admin: bool = False, form: bool = False
) -> dict[str, Any]:
    """The values of the fields writable on `c`reate or `u`pdate; null counts as absent, unless it clears the field."""
    if body is None:
        body = {}
    if not isinstance(body, Mapping):
        raise Invalid("body", "InvalidFormat", "The body must be a JSON object.")
    found = {}
    for field in fields:
        if letter not in field.crud or (field.admin and not admin):
            continue
        value = _convert_form_value(field, body.get(field.name)) if form else body.get(field.name)
        if value is not None:
            found[field.name] = field.check(field.name, value)
        elif letter == "c":
            found.update(_default_or_refuse(field))
        elif field.clearable and field.name in body:
            found[field.name] = None
    return found


def _default_or_refuse(field: Field) -> dict[str, Any]:
    if field.required:
        raise Invalid(field.name, "MissingRequired", f"{field.name} is required.")
    return {} if field.default is None else {field.name: field.default}


def _convert_form_value(field: Field, value: Any) -> Any:
    """A form's text as its field's type: JSON for structured types, lists also one item per line."""
    if not isinstance(value, str) or field.type in {"string", "password", "enum"} or field.type.startswith("reference"):
        return value or None
    if not value.strip():
        return None
    try:
        found = _load(value)
        return value if _is_deeper(found, MAX_DEPTH) else found
    except (ValueError, RecursionError):
        return value.split("\n") if field.type.startswith(ARRAY_PREFIX) else value


def pick(data: Mapping[str, Any], **columns: str) -> dict[str, Any]:
    """The given fields under the names of a service's parameters: `pick(data, external_id="externalId")`."""
    return {column: data[name] for column, name in columns.items() if name in data}


def method_not_allowed(method: str, why: str = "") -> MethodNotAllowed:
    """The refusal of a method that the caller's role does not have here; `why` is what is missing, without a stop."""
    return MethodNotAllowed(f"{method} is not possible here{f': {why}' if why else ''}.")
