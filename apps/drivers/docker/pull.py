"""Pulling an image: the request to the engine, and its answer as progress over all layers; pure."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from apps.drivers.base import EngineError, EngineNotFound, PullProgress
from apps.drivers.docker.errors import PLATFORM_MISMATCH, error_from_response

DOWNLOAD_SHARE = 70.0  # of a layer's hundred; unpacking it is the rest
MAX_LAYERS = 1000  # engines allow 127; whoever names more of them wants memory
_STATUS_PERCENT = {
    "Pulling fs layer": 0.0,
    "Waiting": 0.0,
    "Verifying Checksum": DOWNLOAD_SHARE,
    "Download complete": DOWNLOAD_SHARE,
    "Pull complete": 100.0,
    "Already exists": 100.0,
}


class LayerProgress:
    """How far each layer is, and all of them together."""

    def __init__(self) -> None:
        self._done: dict[str, float] = {}
        self._max_percent = 0

    def update(self, found: Mapping[str, Any]) -> None:
        """Take in one line of the engine's answer."""
        layer, status = str(found.get("id", "")), str(found.get("status", ""))
        detail = found.get("progressDetail") or {}
        if layer not in self._done and len(self._done) >= MAX_LAYERS:
            return
        fraction = (detail.get("current") or 0) / max(detail.get("total") or 0, 1)
        if status in _STATUS_PERCENT:
            self._done[layer] = _STATUS_PERCENT[status]
        elif status == "Downloading":
            self._done[layer] = min(fraction, 1.0) * DOWNLOAD_SHARE
        elif status == "Extracting":
            self._done[layer] = DOWNLOAD_SHARE + min(fraction, 1.0) * (100.0 - DOWNLOAD_SHARE)

    @property
    def percent(self) -> int:
        """Never falls, though new layers may turn up."""
        if self._done:
            self._max_percent = max(self._max_percent, int(sum(self._done.values()) / len(self._done)))
        return self._max_percent


_INTERVAL = 0.25


def split_image_reference(image: str) -> tuple[str, str]:
    """Repository and tag (or digest) of an image's name; without either `latest`, or the engine would pull them all."""
    repository, at, digest = image.partition("@")
    if at:
        return repository, digest
    head, colon, tag = image.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (image, "latest")


def pull_query(image: str, platform: str = "") -> str:
    """The query of /images/create."""
    repository, tag = split_image_reference(image)
    return urlencode({"fromImage": repository, "tag": tag} | ({"platform": platform} if platform else {}))


def auth_header(auth: Mapping[str, str] | None) -> dict[str, str]:
    """The registry's credentials as the engine wants them: base64 of JSON in a header."""
    if not auth:
        return {}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(dict(auth)).encode()).decode()}


def read_progress(image: str, lines: Iterable[Mapping[str, Any]]) -> Iterator[PullProgress]:
    """The engine's lines as progress, a few times a second at most. Raises the `EngineError` that a line reports."""
    layers, last, yielded_at = LayerProgress(), PullProgress(-1, ""), 0.0
    final_status = last_status = ""
    for found in lines:
        if found.get("error") or found.get("errorDetail"):
            raise _error(found)
        if PLATFORM_MISMATCH in str(found.get("status", "")):  # a warning: the engine keeps what no container may be
            raise EngineError(str(found["status"]).removeprefix("WARNING: "))
        layers.update(found)
        status = str(found.get("status", ""))
        last_status = _describe(found) or last_status
        final_status = status if status.startswith("Status:") else final_status
        now = PullProgress(layers.percent, _describe(found))
        if now.percent != last.percent and time.monotonic() - yielded_at >= _INTERVAL:
            yield now
            last, yielded_at = now, time.monotonic()
    if not final_status:
        last_words = f" Its last words: {last_status[:200]}" if last_status else ""
        raise EngineError(f"The engine stopped in the middle of pulling {image}.{last_words}")
    yield PullProgress(100, final_status.removeprefix("Status: "))


def _describe(found: Mapping[str, Any]) -> str:
    status, layer = found.get("status", ""), found.get("id", "")
    return f"{layer}: {status} {found.get('progress', '')}".strip() if layer else str(status)


def _error(found: Mapping[str, Any]) -> EngineError:
    detail = found.get("errorDetail") or {}
    message = str(detail.get("message") or found.get("error") or "The engine gave no reason.")
    error = error_from_response(int(detail.get("code") or 500), message)
    missing = "not found" in message or "does not exist" in message or "manifest unknown" in message
    return EngineNotFound(message) if missing else error
