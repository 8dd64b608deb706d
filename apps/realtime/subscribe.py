"""`/v1/subscribe`: v1 resources when they change, as the role of the subscriber sees them (v1 contract, 6.1)."""

from __future__ import annotations

import time
import uuid
from typing import Any

from apps.core.hooks import hooks
from apps.core.ids import row_number
from apps.environments.actor import Actor
from apps.realtime import targets
from apps.realtime.base_socket import run_in_thread
from apps.realtime.events import ChangesSocket
from apps.realtime.origin import header

_CHANGE_EVENT = "resource.change"


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

    async def send_changes(self, changes: list[tuple[str, int]]) -> None:
        """Send one event for each row that the caller may see."""
        names = {name.partition(";")[0] for name in self.scope["query"].getlist("eventNames")}
        if _CHANGE_EVENT in names:
            for kind, key in changes:
                resource = await run_in_thread(self._render, kind, key)
                if resource is not None:
                    await self.send_json(v1_event(_CHANGE_EVENT, dict(resource)))

    def _render(self, kind: str, key: int) -> Any:
        actor = self.credentials.actor()
        return None if actor is None else hooks.render(kind, key, actor, self._base())

    def _base(self) -> str:
        scheme = "https" if self.scope.get("scheme") == "wss" else "http"
        return f"{scheme}://{header(self.scope, 'host')}"

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
