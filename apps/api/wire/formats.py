"""Rendering and content negotiation: v1's JSON, or HTML for browsers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request


class V1Renderer(JSONRenderer):
    """JSON with v1's dates: no fraction, `Z`."""

    charset = "utf-8"
    format = "json"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        """The JSON text."""
        return b"" if data is None else super().render(format_dates(data), accepted_media_type, renderer_context)


def format_dates(value: Any) -> Any:
    """A copy with every date as v1 writes it."""
    if isinstance(value, Mapping):
        return {name: format_dates(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [format_dates(each) for each in value]
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if hasattr(value, "strftime") else value


def wants_html(request: Any) -> bool:
    """Whether the request comes from a browser that accepts HTML."""
    # Some libraries accept text/html too, but only browsers call themselves Mozilla.
    accept, agent = request.META.get("HTTP_ACCEPT", ""), request.META.get("HTTP_USER_AGENT", "")
    return "text/html" in accept and "Mozilla" in agent


class V1ContentNegotiation(BaseContentNegotiation):
    """HTML for browsers, JSON for everybody else."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser:  # noqa: ARG002 - the framework's
        """The one parser there is."""
        return next(iter(parsers))

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002 - the framework's signature
    ) -> tuple[BaseRenderer, str]:
        """HTML for a browser, unless the query says `format=json`."""
        html = wants_html(request) and request.query_params.get("format") != "json"
        chosen = next(each for each in renderers if (each.format == "api") == html)
        return chosen, chosen.media_type or "application/json"
