"""Pulling an image: what to ask the engine for, and its answer as progress; pure."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from apps.drivers.base import EngineError, EngineNotFound, PullProgress
from apps.drivers.docker_errors import refusal
from apps.drivers.docker_layers import Layers

_EVERY = 0.25


def split(image: str) -> tuple[str, str]:
    """Repository and tag (or digest) of an image's name; without either `latest`, or the engine would pull them all."""
    repository, at, digest = image.partition("@")
    if at:
        return repository, digest
    head, colon, tag = image.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (image, "latest")


def query(image: str) -> str:
    """The query of /images/create."""
    repository, tag = split(image)
    return urlencode({"fromImage": repository, "tag": tag})


def auth_header(auth: Mapping[str, str] | None) -> dict[str, str]:
    """The registry's credentials as the engine wants them: base64 of JSON in a header."""
    if not auth:
        return {}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(dict(auth)).encode()).decode()}


def progress(image: str, lines: Iterable[Mapping[str, Any]]) -> Iterator[PullProgress]:
    """The engine's lines as progress, a few times a second at most. Raises the `EngineError` that a line tells."""
    layers, last, told = Layers(), PullProgress(-1, ""), 0.0
    ended = ""
    for found in lines:
        if "error" in found:
            raise _error(found)
        layers.tell(found)
        status = str(found.get("status", ""))
        ended = status if status.startswith("Status:") else ended
        now = PullProgress(layers.percent, _text(found))
        if now.percent != last.percent and time.monotonic() - told >= _EVERY:
            yield now
            last, told = now, time.monotonic()
    if not ended:
        raise EngineError(f"The engine stopped in the middle of pulling {image}.")
    yield PullProgress(100, ended.removeprefix("Status: "))


def _text(found: Mapping[str, Any]) -> str:
    status, layer = found.get("status", ""), found.get("id", "")
    return f"{layer}: {status} {found.get('progress', '')}".strip() if layer else str(status)


def _error(found: Mapping[str, Any]) -> EngineError:
    detail = found.get("errorDetail") or {}
    words = str(detail.get("message") or found["error"])
    error = refusal(int(detail.get("code") or 500), words)
    missing = "not found" in words or "does not exist" in words or "manifest unknown" in words
    return EngineNotFound(words) if missing else error
