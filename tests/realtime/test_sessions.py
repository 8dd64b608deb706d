"""Ending a session closes its sockets at once, in every process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.accounts.login.passwords import password_set
from apps.accounts.login.sessions import session_end, sessions_close
from apps.accounts.models import Session
from apps.accounts.services import account_act
from apps.containers.models import Container
from apps.core.events import row_changed
from apps.environments.models import Environment
from tests.realtime.scripted_engine import ScriptedEngine
from tests.realtime.websocket_client import (
    WebSocketClient,
    becomes_true,
    run_async,
    session_headers,
    threads_named,
)

pytestmark = pytest.mark.django_db(transaction=True)

WAYS: dict[str, Callable[[Any, Any], Any]] = {
    "ended by its owner": lambda people, actor_of: session_end(
        Session.objects.get(account=people.bob), actor=actor_of("bob")
    ),
    "ended with all others": lambda people, _actor_of: sessions_close(people.bob),
    "account deactivated": lambda people, actor_of: account_act(people.bob, "deactivate", actor=actor_of("root")),
    "new password": lambda people, actor_of: password_set(
        people.bob, "another quite long phrase", actor=actor_of("root")
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_its_log_stream_and_its_page_close_at_once(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine, actor_of: Any, way: str
) -> None:
    headers, other = session_headers(people.bob), session_headers(people.alice)
    logs, page = f"/ws/logs?container={container.pk}", f"/ws/events?environment={lab.pk}"

    async def scenario() -> None:
        async with (
            WebSocketClient(logs, headers) as stream,
            WebSocketClient(page, headers) as events,
            WebSocketClient(page, other) as stays,
        ):
            await asyncio.sleep(0.15)
            began = time.monotonic()
            await sync_to_async(WAYS[way], thread_sensitive=False)(people, actor_of)
            assert await stream.code() == 4401
            assert await events.code() == 4401
            assert time.monotonic() - began < 10  # at once, and not at the next look at every socket
            await sync_to_async(row_changed, thread_sensitive=False)(lab.pk, "container", container.pk)
            while ["container", container.pk] not in (await stays.json("changed"))["changes"]:
                pass

    run_async(scenario)
    assert becomes_true(lambda: not threads_named("logs-"))
