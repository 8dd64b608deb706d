"""A handler of documents that notes what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from corral_agent.documents import DocumentRefused


class Recorder:
    """Applies documents by noting them; refuses those that say so."""

    def __init__(self) -> None:
        self.applied: list[Mapping[str, Any]] = []
        self.state = "waiting"
        self.changed: Callable[[], None] = lambda: None
        self.closed = False

    def start(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    def apply(self, document: Mapping[str, Any]) -> None:
        if document.get("bad"):
            raise DocumentRefused("it is bad")
        self.applied.append(document)
        self.state = "applied"

    def status(self) -> dict[str, Any]:
        return {"state": self.state}

    async def close(self) -> None:
        self.closed = True
