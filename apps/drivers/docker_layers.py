"""How far the layers of an image are that an engine pulls; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FETCHED = 70.0  # of a layer's hundred; unpacking it is the rest
_STEPS = {
    "Pulling fs layer": 0.0,
    "Waiting": 0.0,
    "Verifying Checksum": FETCHED,
    "Download complete": FETCHED,
    "Pull complete": 100.0,
    "Already exists": 100.0,
}


class Layers:
    """How far each layer is, and all of them together."""

    def __init__(self) -> None:
        self._done: dict[str, float] = {}
        self._best = 0

    def tell(self, found: Mapping[str, Any]) -> None:
        """Take in one line of the engine's answer."""
        layer, status = str(found.get("id", "")), str(found.get("status", ""))
        detail = found.get("progressDetail") or {}
        part = (detail.get("current") or 0) / max(detail.get("total") or 0, 1)
        if status in _STEPS:
            self._done[layer] = _STEPS[status]
        elif status == "Downloading":
            self._done[layer] = min(part, 1.0) * FETCHED
        elif status == "Extracting":
            self._done[layer] = FETCHED + min(part, 1.0) * (100.0 - FETCHED)

    @property
    def percent(self) -> int:
        """Never falls, though new layers may turn up."""
        if self._done:
            self._best = max(self._best, int(sum(self._done.values()) / len(self._done)))
        return self._best
