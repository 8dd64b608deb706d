"""`/ws/events`: which rows of an environment changed, so that pages load them again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from apps.environments.actor import Actor
from apps.realtime import targets
from apps.realtime.base_socket import BaseSocket
from apps.realtime.shared_renderings import FirstHeard, FrameBudget
from apps.realtime.threadsafe_event import ThreadsafeEvent

_BATCH_INTERVAL = 0.2
_first_heard = FirstHeard()
_frame_budget = FrameBudget()


class ChangesSocket(BaseSocket):
    """Batches changes: the first goes out at once, and a slow reader gets fewer, larger messages."""

    verb = "events"
    permission = "view"

    async def begin(self) -> None:
        """Start the sender; the first ping shows that the connection is alive."""
        self._pending: dict[tuple[str, int], float] = {}
        self._data_ready = ThreadsafeEvent()
        self.spawn(self._send_loop())
        await self.send_ping()

    async def rows_changed(self, message: Mapping[str, Any]) -> None:
        """From the channel layer: note the changed rows for the sender."""
        if not self.ended and hasattr(self, "_data_ready"):
            heard_at = _first_heard.at((self.environment, message.get("at")))
            self._pending.update(((str(kind), int(key)), heard_at) for kind, key in message["changes"])
            self._data_ready.set()

    async def _send_loop(self) -> None:
        while True:
            await self._data_ready.wait()
            if not await self.check():
                return
            changes, self._pending = dict(sorted(self._pending.items())), {}
            frames = await self.send_changes(changes)
            # After sending, so that a single change is not delayed.
            await asyncio.sleep(max(_BATCH_INTERVAL, _frame_budget.spend(self.account_id, frames)))

    async def send_changes(self, changes: Mapping[tuple[str, int], float]) -> int:
        """Send a batch of changes, each with the monotonic time at which it was heard of; how many frames it took."""
        raise NotImplementedError


class EventsSocket(ChangesSocket):
    """`/ws/events?environment=`: kinds and ids, never contents; without an environment the whole site, for admins."""

    def resolve_target(self, actor: Actor) -> int | None:
        """The environment in the query; one that the actor may not see is not found."""
        key = targets.row_id_from_query(self.scope["query"], "environment")
        if key is not None and "view" not in actor.permissions(key):
            raise targets.not_found("environment")
        ticket = self.credentials.ticket
        if ticket is not None and ticket.environment_id != key:
            raise targets.not_found("environment")
        return key

    async def send_changes(self, changes: Mapping[tuple[str, int], float]) -> int:
        """Send the whole batch as one message."""
        await self.send_json({"type": "changed", "changes": list(changes), "at": time.time()})
        return 1
