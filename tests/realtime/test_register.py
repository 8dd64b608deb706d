"""Open sockets are registered while they are open, and a change that closes them says how many."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.containers.models import Container
from apps.core.result import RevokedCounts
from apps.environments.models import Environment, OpenSocket
from apps.environments.services import (
    account_key_create,
    environment_key_create,
    members_set,
    role_create,
    role_update,
)
from apps.environments.services.websockets import PROCESS_ID
from apps.realtime import base_socket
from tests.realtime.scripted_engine import ScriptedEngine
from tests.realtime.websocket_client import (
    WebSocketClient,
    basic_headers,
    becomes_true,
    run_async,
    session_headers,
)

pytestmark = pytest.mark.django_db(transaction=True)


def later(call: Any, *args: Any, **kwargs: Any) -> Any:
    return sync_to_async(call, thread_sensitive=False)(*args, **kwargs)


def registered() -> list[tuple[Any, ...]]:
    return list(
        OpenSocket.objects.order_by("pk").values_list("account", "environment", "verb", "permission", "process")
    )


def test_a_socket_is_on_the_register_while_it_is_open(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine
) -> None:
    headers = session_headers(people.bob)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            await websocket_client.is_silent(0.15)
            assert await later(registered) == [(people.bob.pk, lab.pk, "exec", "exec", PROCESS_ID)]

    run_async(scenario)
    assert becomes_true(lambda: registered() == [])


def test_a_refused_socket_leaves_nothing_on_the_register(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/shell?container={container.pk}", headers) as websocket_client:
            assert await websocket_client.code() == 4403

    run_async(scenario)
    assert becomes_true(lambda: registered() == [])


def test_closing_sockets_says_how_many(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine, actor_of: Any
) -> None:
    alice = actor_of("alice")
    bob = session_headers(people.bob)
    only = [{"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}]

    async def scenario() -> None:
        async with (
            WebSocketClient(f"/ws/logs?container={container.pk}", bob) as one,
            WebSocketClient(f"/ws/events?environment={lab.pk}", bob) as two,
        ):
            await one.is_silent(0.15)
            await later(members_set, lab, only, actor=alice)
            assert (await one.code(), await two.code()) == (4403, 4403)

    run_async(scenario)
    assert alice.revoked_counts == [RevokedCounts(sockets=2)]


def test_a_narrower_custom_role_closes_shells_and_leaves_logs(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine, actor_of: Any
) -> None:
    root = actor_of("root")
    role = role_create(actor=root, name="runner", permissions=["exec", "logs"])
    listed = [
        {"externalId": f"1a{person.pk}", "externalIdType": "rancher_id", "role": name}
        for person, name in ((people.alice, "owner"), (people.bob, "runner"))
    ]
    members_set(lab, listed, actor=root)
    bob = session_headers(people.bob)

    async def scenario() -> None:
        async with (
            WebSocketClient(f"/ws/shell?container={container.pk}", bob) as shell,
            WebSocketClient(f"/ws/logs?container={container.pk}", bob) as logs,
        ):
            await logs.is_silent(0.15)
            await later(role_update, role, actor=root, permissions=["logs"])
            assert await shell.code() == 4403
            assert await logs.is_silent(0.2)

    run_async(scenario)
    assert root.revoked_counts == [RevokedCounts(sockets=1)]


def test_a_key_of_another_address_opens_no_socket(
    people: Any, container: Container, engine: ScriptedEngine, actor_of: Any
) -> None:
    near = account_key_create(actor=actor_of("bob"), addresses=["127.0.0.0/8"])
    far = account_key_create(actor=actor_of("bob"), addresses=["203.0.113.7"])

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", basic_headers(far)) as websocket_client:
            assert await websocket_client.code() == 4401
        async with WebSocketClient(f"/ws/logs?container={container.pk}", basic_headers(near)) as websocket_client:
            assert await websocket_client.is_silent(0.1)

    run_async(scenario)
    assert ApiKey.objects.get(pk=near.key.pk).last_address == "127.0.0.1"


def test_a_forwarded_address_counts_from_trusted_proxies_only(
    people: Any, container: Container, engine: ScriptedEngine, actor_of: Any, settings: Any
) -> None:
    made = account_key_create(actor=actor_of("bob"), addresses=["203.0.113.7"])
    headers = {**basic_headers(made), "x-forwarded-for": "203.0.113.7"}

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            assert await websocket_client.code() == 4401
        settings.TRUSTED_PROXIES = ["127.0.0.1"]
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            assert await websocket_client.is_silent(0.1)

    run_async(scenario)


def test_a_socket_ends_with_the_time_of_its_key(
    people: Any,
    lab: Environment,
    container: Container,
    engine: ScriptedEngine,
    actor_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base_socket, "CHECK_INTERVAL", 0.3)
    monkeypatch.setattr(base_socket, "CHECK_MAX_AGE", 0.0)
    soon = timezone.now() + timedelta(seconds=0.8)
    made = environment_key_create(actor=actor_of("bob"), environment=lab, expires=soon)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", basic_headers(made)) as websocket_client:
            assert await websocket_client.code() == 4401

    run_async(scenario)
    assert timezone.now() >= soon


def test_a_process_says_that_it_is_there_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = base_socket._Heartbeat()
    now = [1000.0]
    monkeypatch.setattr("apps.realtime.base_socket.time.monotonic", lambda: now[0])
    assert beat.is_due()
    assert not beat.is_due()
    now[0] += OpenSocket.HEARTBEAT.total_seconds()
    assert beat.is_due()
