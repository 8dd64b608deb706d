"""What a client wants of the metadata service: version, path, format, and whether it waits for a change; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote_plus

from corral_agent.engine_proxy.http_head import RequestHead
from corral_agent.metadata.tree import NothingThere, as_text, find, is_same
from corral_agent.metadata.world import LATEST, VERSIONS, World

DEFAULT_WAIT, MAX_WAIT = 60.0, 120.0
_MAX_PARTS = 64


@dataclass(frozen=True, slots=True)
class MetadataRequest:
    """`path` begins with the version; `known` is what a client that waits has read before, None without waiting."""

    path: tuple[str, ...]
    wants_json: bool = False
    known: str | None = None
    max_wait: float = DEFAULT_WAIT

    @classmethod
    def of(cls, head: RequestHead) -> MetadataRequest:
        """From a request's head; what is not understood of its query is left out."""
        raw, _, query = head.target.partition("?")
        parts = raw.strip("/").split("/", _MAX_PARTS)
        values = {key: found[-1] for key, found in parse_qs(query, keep_blank_values=True, max_num_fields=50).items()}
        waits = values.get("wait") == "true" and "value" in values
        seconds = values.get("maxWait", "")
        given = float(seconds[:6]) if seconds.isascii() and seconds.isdecimal() else 0.0
        accepted = next((value for key, value in head.headers if key.lower() == b"accept"), b"")
        return cls(
            tuple(unquote_plus(part) for part in parts if part),
            _prefers_json(accepted.decode("latin-1")),
            values["value"] if waits else None,
            min(given or DEFAULT_WAIT, MAX_WAIT),
        )


def _prefers_json(accepted: str) -> bool:
    """Whether JSON is accepted with a higher quality than plain text, which is also what `*/*` means."""
    quality = {"json": 0.0, "text": 0.0}
    for each in accepted.split(",")[:20]:
        name, *parameters = (part.strip().lower() for part in each.split(";"))
        weight = next((_weight(part[2:]) for part in parameters if part.startswith("q=")), 1.0)
        if name == "application/json":
            quality["json"] = weight
        elif name in {"text/plain", "text/*", "*/*"}:
            quality["text"] = max(quality["text"], weight)
    return quality["json"] > quality["text"]


def _weight(text: str) -> float:
    return float(text[:5]) if text[:5].replace(".", "", 1).isdecimal() and text.isascii() else 0.0


@dataclass(frozen=True, slots=True)
class MetadataResponse:
    """A status and a body with its media type."""

    status: int
    body: bytes
    media_type: str


def is_news(request: MetadataRequest, world: World, address: str) -> bool:
    """Whether a client that waits is to be answered now."""
    try:
        return request.known is None or not is_same(_find(request, world, address), request.known)
    except NothingThere:
        return False


def respond(request: MetadataRequest, world: World | None, address: str) -> MetadataResponse:
    """The answer as things are now; before the portal has sent anything there is nothing to be found."""
    if not request.path:
        return _success(request, {version: f"/{version}" for version in (*VERSIONS, LATEST)})
    if request.path[0] not in {*VERSIONS, LATEST}:
        return _failure(request, "Invalid version")
    if world is None:
        return _failure(request, "Not found")
    try:
        return _success(request, _find(request, world, address))
    except NothingThere:
        return _failure(request, "Not found")


def _find(request: MetadataRequest, world: World, address: str) -> Any:
    return find(world.tree(request.path[0], address), request.path[1:])


def _success(request: MetadataRequest, node: Any) -> MetadataResponse:
    if request.wants_json:
        return MetadataResponse(HTTPStatus.OK, json.dumps(node, ensure_ascii=False).encode(), "application/json")
    return MetadataResponse(HTTPStatus.OK, as_text(node).encode(), "text/plain; charset=utf-8")


def _failure(request: MetadataRequest, message: str) -> MetadataResponse:
    status = HTTPStatus.NOT_FOUND
    if request.wants_json:
        body = json.dumps({"type": "error", "code": int(status), "message": message}).encode()
        return MetadataResponse(status, body, "application/json")
    return MetadataResponse(status, f"{message}\n".encode(), "text/plain; charset=utf-8")
