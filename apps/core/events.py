"""Change notifications for browsers and agents: collected, batched and sent over the channel layer after commit."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction


def account_group(account_id: int) -> str:
    """The channel group of the sockets that an account has open."""
    return f"account.{account_id}"


def environment_group(environment_id: int | None) -> str:
    """The channel group of one environment's events; None is the group of site-wide ones."""
    return f"env.{environment_id}" if environment_id else "site"


def agent_group(host_id: int) -> str:
    """The channel group of the tunnels of one host's agent."""
    return f"agent.{host_id}"


log = logging.getLogger(__name__)

Changes = dict[int | None, set[tuple[str, int]]]


async def send_batch(rows: Changes, rights: set[str]) -> None:
    for name in rights:
        await _send(name, {"type": "rights.changed"})
    for environment_id, changes in rows.items():
        await _send(
            environment_group(environment_id), {"type": "rows.changed", "changes": sorted(changes), "at": time.time()}
        )


async def _send(name: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        await layer.group_send(name, message)
    except Exception:
        log.warning("events: %s of %s was not sent", message["type"], name, exc_info=True)


_BATCH_SECONDS = 0.05


class Publisher:
    """Collects what changed and sends one message per environment every 50 ms, from a thread with its own loop."""

    def __init__(self) -> None:
        self._rows: Changes = defaultdict(set)
        self._rights: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def row(self, environment_id: int | None, kind: str, key: int) -> None:
        with self._lock:
            self._rows[environment_id].add((kind, key))
        self._ensure_running()

    def rights(self, name: str) -> None:
        with self._lock:
            self._rights.add(name)
        self._ensure_running()

    def _ensure_running(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="events", daemon=True)
                self._thread.start()
        self._wake.set()

    def _drain(self) -> tuple[Changes, set[str]]:
        with self._lock:
            rows, self._rows = self._rows, defaultdict(set)
            rights, self._rights = self._rights, set()
        return rows, rights

    def _run(self) -> None:
        # Waits outside the loop: an executor's thread that waits for ever would keep the interpreter from exiting.
        loop = asyncio.new_event_loop()
        while True:
            self._wake.wait()
            self._wake.clear()
            loop.run_until_complete(send_batch(*self._drain()))
            time.sleep(_BATCH_SECONDS)


_publisher = Publisher()


def row_changed(environment_id: int | None, kind: str, key: int) -> None:
    """Notify the environment's viewers, once the transaction is committed, that this row has changed."""
    transaction.on_commit(lambda: _publisher.row(environment_id, kind, key))


def rights_changed(environment_id: int | None) -> None:
    """Have the environment's open sockets check their permissions again at once, after commit."""
    transaction.on_commit(lambda: _publisher.rights(environment_group(environment_id)))


def account_changed(account_id: int) -> None:
    """Have the open sockets of an account check their permissions again at once, after commit."""
    transaction.on_commit(lambda: _publisher.rights(account_group(account_id)))


def agent_changed(host_id: int) -> None:
    """Have the open tunnels of a host check again at once, after commit, whether their agent is still admitted."""
    transaction.on_commit(lambda: _publisher.rights(agent_group(host_id)))
