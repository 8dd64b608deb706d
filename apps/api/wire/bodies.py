"""Bodies read: JSON whatever its label, and forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import QueryDict
from rest_framework.parsers import BaseParser, MultiPartParser

from apps.api.wire.problems import TooLarge
from apps.core.errors import Problem

MULTIPART = "multipart/form-data"
FORMS = ("application/x-www-form-urlencoded", MULTIPART)


class Form(dict[str, Any]):
    """A body that came from a form: all its values are texts."""


class V1Parser(BaseParser):
    """Reads a body: forms by their content type, everything else as JSON; an empty body is an empty object."""

    media_type = "*/*"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The body's value; raises a `Problem` for one that is too large or cannot be read."""
        kind = (media_type or "").partition(";")[0].strip().lower()
        if kind == MULTIPART:
            return Form(MultiPartParser().parse(stream, media_type, parser_context).data.items())
        raw = _all_of(stream)
        if kind == FORMS[0] and raw.lstrip()[:1] not in {b"{", b"["}:
            return Form(QueryDict(raw).items())
        return loads(raw)


def _all_of(stream: Any) -> bytes:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0
    raw: bytes = stream.read(most + 1)
    if len(raw) > most:
        raise TooLarge(f"A body has at most {most // 1024} KB.")
    return raw


def loads(raw: bytes | str) -> Any:
    """Strict JSON, nothing for nothing."""
    try:
        return json.loads(raw, parse_constant=_no_number) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise Problem("The body is no valid JSON.", status=422, code="InvalidBodyContent") from None


def _no_number(word: str) -> Any:
    raise ValueError(word)


def form_of(body: Any) -> Any:
    """A form's own fields, or the JSON that its field `_body` holds."""
    if isinstance(body, Form) and body.get("_body", "").strip():
        return loads(body["_body"])
    return body
