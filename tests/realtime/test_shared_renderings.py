"""A change that many sockets are told of is rendered once for all that see the same, and never before the change."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from apps.core import events
from apps.core.events import row_changed
from apps.core.hooks import hooks
from apps.environments.models import Environment
from apps.realtime import shared_renderings
from apps.realtime.shared_renderings import FirstHeard, FrameBudget, SharedRenderings
from tests.realtime.websocket_client import WebSocketClient, run_async, session_headers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, str]]:
    """What was rendered, and as whom."""
    seen: list[tuple[str, int, str]] = []

    def render(kind: str, key: int, actor: Any, _base: str, _dialect: str) -> dict[str, Any]:
        seen.append((kind, key, actor.user.login))
        return {"id": f"{kind}-{key}", "type": kind, "number": len(seen)}

    monkeypatch.setattr(hooks, "render", render)
    return seen


@sync_to_async(thread_sensitive=False)
def commit(lab: Environment, *rows: tuple[str, int]) -> None:
    with transaction.atomic():
        for kind, key in rows:
            row_changed(lab.pk, kind, key)


async def subscribe(stack: AsyncExitStack, lab: Environment, headers: dict[str, str]) -> WebSocketClient:
    path = f"/v1/projects/1a{lab.pk}/subscribe?eventNames=resource.change"
    client = await stack.enter_async_context(WebSocketClient(path, headers))
    await client.json()  # the first ping
    return client


async def change(client: WebSocketClient) -> dict[str, Any]:
    while (event := await client.json())["name"] == "ping":
        pass
    found: dict[str, Any] = event["data"]["resource"]
    return found


def test_sockets_with_the_same_rights_share_and_others_do_not(people: Any, lab: Environment, rendered: Any) -> None:
    events._publisher._drain()
    rita, bob = session_headers(people.rita), session_headers(people.bob)

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            readers = [await subscribe(stack, lab, rita) for _ in range(6)]
            members = [await subscribe(stack, lab, bob) for _ in range(3)]
            await commit(lab, ("container", 1), ("container", 2))
            for client in (*readers, *members):
                assert [(await change(client))["id"] for _ in range(2)] == ["container-1", "container-2"]
            assert len(rendered) == 4
            assert {login for _, _, login in rendered} == {"rita", "bob"}
            await commit(lab, ("container", 1))
            numbers = {(await change(client))["number"] for client in readers}
            assert min(numbers) > 4  # rendered again: what was kept is older than the change

    run_async(scenario)


def test_what_depends_on_the_person_is_not_shared(people: Any, lab: Environment, rendered: Any) -> None:
    events._publisher._drain()
    rita = session_headers(people.rita)

    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            clients = [await subscribe(stack, lab, rita) for _ in range(3)]
            await commit(lab, ("apiKey", 1))
            for client in clients:
                await change(client)
            assert len(rendered) == 3

    run_async(scenario)


def test_a_rendering_begun_before_the_change_is_not_taken_for_it() -> None:
    async def scenario() -> None:
        shared, texts = SharedRenderings(), iter(["old", "new"])
        before = time.monotonic()
        assert await shared.get("row", before, lambda: next(texts)) == "old"
        assert await shared.get("row", before, lambda: next(texts)) == "old"
        assert await shared.get("row", time.monotonic(), lambda: next(texts)) == "new"
        assert shared.count == 2

    asyncio.run(scenario())


def test_a_socket_that_closes_does_not_take_the_rendering_from_the_others() -> None:
    async def scenario() -> None:
        shared = SharedRenderings()
        heard_at = time.monotonic()
        first = asyncio.create_task(shared.get("row", heard_at, lambda: "text"))
        await asyncio.sleep(0)
        first.cancel()
        assert await shared.get("row", heard_at, lambda: "another") == "text"

    asyncio.run(scenario())


def test_what_is_kept_has_a_number_and_an_age(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        shared = SharedRenderings()
        for number in range(shared_renderings.MAX_KEPT + 50):
            await shared.get(number, 0.0, lambda: "text")
        assert len(shared._kept) == shared_renderings.MAX_KEPT
        monkeypatch.setattr(shared_renderings, "MAX_AGE_SECONDS", -1.0)
        await shared.get("last", 0.0, lambda: "text")
        assert len(shared._kept) == 1

    asyncio.run(scenario())


def test_a_message_is_heard_of_once_however_many_sockets_hear_it() -> None:
    first = FirstHeard()
    at = first.at(("env", 1))
    assert first.at(("env", 1)) == at
    assert first.at(("env", 2)) >= at
    for number in range(shared_renderings.MAX_KEPT * 2):
        first.at(number)
    assert len(first._at) == shared_renderings.MAX_KEPT


def test_an_account_has_a_burst_and_then_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    budget = FrameBudget()
    assert budget.spend(1, int(budget.BURST)) == 0
    assert budget.spend(1, int(budget.PER_SECOND)) == 1
    assert budget.spend(2, 1) == 0
    now[0] += 3600
    assert budget.spend(1, 1) == 0
