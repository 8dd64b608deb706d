"""The door to the browsers: which rows changed, sent in small batches over the channel layer after commit."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction

log = logging.getLogger(__name__)

_PAUSE = 0.05


def group(environment_id: int | None) -> str:
    """The channel group of one environment's events; None is the group of site-wide ones."""
    return f"env.{environment_id}" if environment_id else "site"


class _Publisher:
    """Collects changed rows and sends one message per environment every 50 ms, from a thread with its own loop."""

    def __init__(self) -> None:
        self._pending: dict[int | None, set[tuple[str, int]]] = defaultdict(set)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, environment_id: int | None, kind: str, key: int) -> None:
        with self._lock:
            self._pending[environment_id].add((kind, key))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
        self._wake.set()

    def take(self) -> dict[int | None, set[tuple[str, int]]]:
        with self._lock:
            taken, self._pending = dict(self._pending), defaultdict(set)
        return taken

    def _run(self) -> None:
        asyncio.run(self._send_for_ever())

    async def _send_for_ever(self) -> None:
        while True:
            await asyncio.to_thread(self._wake.wait)
            self._wake.clear()
            for environment_id, changes in self.take().items():
                await _send(group(environment_id), sorted(changes))
            await asyncio.sleep(_PAUSE)


async def _send(name: str, changes: list[tuple[str, int]]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    message: dict[str, Any] = {"type": "rows.changed", "changes": changes, "at": time.time()}
    try:
        await layer.group_send(name, message)
    except Exception:
        log.warning("events: could not send %d changes", len(changes), exc_info=True)


_publisher = _Publisher()


def changed(environment_id: int | None, kind: str, key: int) -> None:
    """Tell the environment's viewers, once the transaction is committed, that this row is not what it was."""
    transaction.on_commit(lambda: _publisher.add(environment_id, kind, key))
