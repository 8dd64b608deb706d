"""The managed network of a simulated host: it takes every document, and reaches all of its peers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from corral_agent.documents import DocumentRefused


class SimulatedNetworkHandler:
    """Reports the network as active as soon as it knows of it."""

    def __init__(self, engine_id: str) -> None:
        self._public_key = base64.b64encode(hashlib.sha256(engine_id.encode()).digest()).decode()
        self._document: Mapping[str, Any] | None = None
        self._changed: Callable[[], None] = lambda: None

    def start(self, changed: Callable[[], None]) -> None:
        """Remember whom to call."""
        self._changed = changed

    def apply(self, document: Mapping[str, Any]) -> None:
        """Take the place of the document before."""
        if not document.get("subnet"):
            raise DocumentRefused("it has no subnet")
        self._document = document

    def status(self) -> dict[str, Any]:
        """Every peer was heard of a moment ago."""
        if self._document is None:
            return {"state": "starting", "reason": "", "publicKey": self._public_key, "peers": {}}
        peer = {"handshakeAgeSeconds": 1, "received": 0, "sent": 0, "reachable": True}
        peers = {str(each["host"]): dict(peer) for each in self._document.get("peers", [])}
        return {"state": "active", "reason": "", "publicKey": self._public_key, "peers": peers}

    async def close(self) -> None:
        """Nothing has to end."""
