"""What bodies look like: JSON whatever its label, forms, and which of JSON and HTML a caller wants back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.http import QueryDict
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from apps.api.wire.faults import TooLarge
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


class V1Renderer(JSONRenderer):
    """JSON with v1's dates: no fraction, `Z`."""

    charset = "utf-8"
    format = "json"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The JSON text."""
        return b"" if data is None else super().render(dated(data), accepted_media_type, renderer_context)


def dated(value: Any) -> Any:
    """A copy in which every moment is v1's text."""
    if isinstance(value, Mapping):
        return {name: dated(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [dated(each) for each in value]
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else value


def wants_html(request: Any) -> bool:
    """Whether a browser is asking for a page."""
    accept, agent = request.META.get("HTTP_ACCEPT", ""), request.META.get("HTTP_USER_AGENT", "")
    return "text/html" in accept and "Mozilla" in agent


class Negotiation(BaseContentNegotiation):
    """A page for browsers, JSON for everybody else."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:  # noqa: ARG002 - the framework's
        """The one parser there is."""
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002 - the framework's signature
    ) -> tuple[BaseRenderer, str]:
        """HTML when a browser asks and nothing says JSON."""
        html = wants_html(request) and request.query_params.get("format") != "json"
        chosen = next(each for each in renderers if (each.format == "api") == html)
        return chosen, chosen.media_type or "application/json"
