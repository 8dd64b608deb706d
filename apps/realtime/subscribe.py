"""`/v1/subscribe`: v1 resources whenever they change, as their reader's role sees them (v1 contract, section 6.1)."""

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

_CHANGE = "resource.change"


class SubscribeSocket(ChangesSocket):
    """`/v1/[projects/<id>/]subscribe?eventNames=resource.change`; names that are not known bring nothing."""

    ping_interval = 5.0

    def resolve_target(self, actor: Actor) -> int:
        """The environment in the path, the query or the header; else the key's own, or the first of the account's."""
        route = self.scope.get("url_route", {}).get("kwargs", {})
        text = route.get("project") or self.scope["query"].get("projectId") or header(self.scope, "x-api-project-id")
        key = row_number(text) if text else next(iter(actor.environments("view", everything=actor.is_admin)), None)
        if key is None or "view" not in actor.permissions(key):
            raise targets.not_found("project")
        return key

    async def send_changes(self, changes: list[tuple[str, int]]) -> None:
        """One event a row that the caller may see."""
        names = {name.partition(";")[0] for name in self.scope["query"].getlist("eventNames")}
        if _CHANGE in names:
            for kind, key in changes:
                resource = await run_in_thread(self._render, kind, key)
                if resource is not None:
                    await self.send_json(v1_event(_CHANGE, dict(resource)))

    def _render(self, kind: str, key: int) -> Any:
        actor = self.credentials.actor()
        return None if actor is None else hooks.render(kind, key, actor, self._base())

    def _base(self) -> str:
        scheme = "https" if self.scope.get("scheme") == "wss" else "http"
        return f"{scheme}://{header(self.scope, 'host')}"

    async def send_ping(self) -> None:
        """v1's heart-beat."""
        await self.send_json(v1_event("ping", None))


def v1_event(name: str, resource: dict[str, Any] | None) -> dict[str, Any]:
    """One v1 event; of a resource, or of nothing."""
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
