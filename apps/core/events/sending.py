"""One batch of changes to the channel layer; what cannot be sent is logged."""

from __future__ import annotations

import logging
import time
from typing import Any

from channels.layers import get_channel_layer

from apps.core.events.groups import group

log = logging.getLogger(__name__)

Changes = dict[int | None, set[tuple[str, int]]]


async def send_all(rows: Changes, rights: set[str]) -> None:
    for name in rights:
        await _send(name, {"type": "rights.changed"})
    for environment_id, changes in rows.items():
        await _send(group(environment_id), {"type": "rows.changed", "changes": sorted(changes), "at": time.time()})


async def _send(name: str, message: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    try:
        await layer.group_send(name, message)
    except Exception:
        log.warning("events: %s of %s was not sent", message["type"], name, exc_info=True)
