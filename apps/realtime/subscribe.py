"""`/v1/subscribe` and `/v2-beta/subscribe`: resources when they change, as the role of the subscriber sees them.

See the v1 contract, 6.1.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from apps.core.hooks import hooks
from apps.core.ids import row_number
from apps.environments.actor import Actor
from apps.realtime import targets
from apps.realtime.authentication import cached_permissions
from apps.realtime.base_socket import run_in_thread
from apps.realtime.events import ChangesSocket
from apps.realtime.origin import header
from apps.realtime.shared_renderings import SharedRenderings

_CHANGE_EVENT = "resource.change"

SHARED_KINDS = frozenset({"container", "host", "service", "stack"})
"""What looks the same to everybody with the same permissions in its environment; accounts and keys do not."""
MAX_RIGHTS_AGE = 2.0

_renderings: WeakKeyDictionary[asyncio.AbstractEventLoop, SharedRenderings] = WeakKeyDictionary()


def _renderings_of(loop: asyncio.AbstractEventLoop) -> SharedRenderings:
    return _renderings.setdefault(loop, SharedRenderings())


class SubscribeSocket(ChangesSocket):
    """`/v1/[projects/<id>/]subscribe?eventNames=resource.change`; unknown event names are ignored."""

    ping_interval = 5.0

    def resolve_target(self, actor: Actor) -> int:
        """The environment in the path, the query or the header; else that of the key, or the account's first."""
        route = self.scope.get("url_route", {}).get("kwargs", {})
        text = route.get("project") or self.scope["query"].get("projectId") or header(self.scope, "x-api-project-id")
        key = row_number(text) if text else next(iter(actor.environments("view", everything=actor.is_admin)), None)
        if key is None or "view" not in actor.permissions(key):
            raise targets.not_found("project")
        return key

    async def send_changes(self, changes: Mapping[tuple[str, int], float]) -> int:
        """Send one event for each row that the caller may see."""
        names = {name.partition(";")[0] for name in self.scope["query"].getlist("eventNames")}
        if _CHANGE_EVENT not in names:
            return 0
        sent = 0
        for (kind, key), heard_at in changes.items():
            text = await self._event_text(kind, key, heard_at)
            if text:
                await self.put(text_data=text)
                sent += 1
        return sent

    async def _event_text(self, kind: str, key: int, heard_at: float) -> str | None:
        """The event with the row as this caller sees it, the same text for all who see the same."""
        rights = cached_permissions(self.credentials, self.environment, MAX_RIGHTS_AGE)
        render = partial(self._render, kind, key)
        if kind not in SHARED_KINDS or rights is None or rights.permissions is None:
            return await run_in_thread(render)
        sharers = (kind, key, self.environment, rights.permissions, rights.is_admin, self._base(), self._dialect())
        text = await _renderings_of(asyncio.get_running_loop()).get(sharers, heard_at, render)
        # An empty text: whoever rendered it is logged out by now, which says nothing about this caller.
        return await run_in_thread(render) if text == "" else text

    def _render(self, kind: str, key: int) -> str | None:
        actor = self.credentials.actor()
        if actor is None:
            return ""
        resource = hooks.render(kind, key, actor, self._base(), self._dialect())
        return None if resource is None else json.dumps(v1_event(_CHANGE_EVENT, dict(resource)))

    def _base(self) -> str:
        scheme = "https" if self.scope.get("scheme") == "wss" else "http"
        return f"{scheme}://{header(self.scope, 'host')}"

    def _dialect(self) -> str:
        return str(self.scope.get("url_route", {}).get("kwargs", {}).get("dialect") or "v1")

    async def send_ping(self) -> None:
        """Send the ping event of v1."""
        await self.send_json(v1_event("ping", None))


def v1_event(name: str, resource: dict[str, Any] | None) -> dict[str, Any]:
    """A v1 event, with or without a resource."""
    fields = resource or {}
    return {
        "id": str(uuid.uuid4()),
        "name": name,
        "replyTo": None,
        "resourceId": fields.get("id"),
        "resourceType": fields.get("type"),
        "publisher": None,
        "transitioning": None,
        "transitioningMessage": None,
        "transitioningInternalMessage": None,
        "transitioningProgress": None,
        "previousIds": None,
        "previousNames": None,
        "data": {"resource": resource} if resource else {},
        "time": int(time.time() * 1000),
        "context": {},
        "timeoutMillis": None,
        "listenerKey": None,
    }
