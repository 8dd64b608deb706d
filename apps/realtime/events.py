"""Events: which rows of an environment changed, for pages that then read them again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from apps.environments.access import Actor
from apps.realtime import targets
from apps.realtime.bell import Bell
from apps.realtime.socket import Socket

_PAUSE = 0.2


class ChangesSocket(Socket):
    """Collects what changed: a slow reader gets fewer, bigger messages, and the first change goes out at once."""

    verb = "events"
    permission = "view"

    async def begin(self) -> None:
        """Start the sender, and show at once that the line is alive."""
        self._pending: set[tuple[str, int]] = set()
        self._bell = Bell()
        self.spawn(self._send_changes())
        await self.ping_out()

    async def rows_changed(self, message: Mapping[str, Any]) -> None:
        """From the channel layer: remember, and return at once."""
        if not self.ended and hasattr(self, "_bell"):
            self._pending.update((str(kind), int(key)) for kind, key in message["changes"])
            self._bell.ring()

    async def _send_changes(self) -> None:
        while True:
            await self._bell.wait()
            if not await self.check():
                return
            changes, self._pending = sorted(self._pending), set()
            await self.changes_out(changes)
            await asyncio.sleep(_PAUSE)

    async def changes_out(self, changes: list[tuple[str, int]]) -> None:
        """Tell the client."""
        raise NotImplementedError


class EventsSocket(ChangesSocket):
    """`/ws/events?environment=`: names of rows, never their contents; without an environment the site's, for admins."""

    def aim(self, actor: Actor) -> int | None:
        """The environment in the query; one that the actor may not see is not there."""
        key = targets.number(self.scope["query"], "environment")
        if key is not None and "view" not in actor.permissions(key):
            raise targets.missing("environment")
        ticket = self.caller.ticket
        if ticket is not None and ticket.environment_id != key:
            raise targets.missing("environment")
        return key

    async def changes_out(self, changes: list[tuple[str, int]]) -> None:
        """One message for all."""
        await self.say({"type": "changed", "changes": changes, "at": time.time()})
