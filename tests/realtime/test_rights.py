"""Revoking a permission closes the sockets that depend on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.accounts.models import ApiKey, Session
from apps.accounts.services import account_act, key_act, key_create
from apps.containers.models import Container
from apps.control.reconcile import reconcile_until_idle
from apps.core.events import row_changed
from apps.core.hooks import hooks
from apps.environments.models import Environment
from apps.environments.services import (
    environment_key_create,
    key_change,
    members_set,
    role_groups_sync,
)
from apps.realtime import authentication, base_socket
from tests.realtime.scripted_engine import ScriptedEngine, log_line
from tests.realtime.websocket_client import (
    WebSocketClient,
    basic_headers,
    becomes_true,
    run_async,
    session_headers,
    threads_named,
)

pytestmark = pytest.mark.django_db(transaction=True)


def seconds_until_closed(path: str, headers: dict[str, str], act: Callable[[], Any]) -> tuple[int, float]:
    """The close code after `act`, and how long it took."""
    found: list[tuple[int, float]] = []

    async def scenario() -> None:
        async with WebSocketClient(path, headers) as websocket_client:
            await websocket_client.is_silent(0.15)
            await sync_to_async(act, thread_sensitive=False)()
            began = time.monotonic()
            found.append((await websocket_client.code(), time.monotonic() - began))

    run_async(scenario)
    return found[0]


def only_alice(lab: Environment, people: Any, actor: Any) -> Callable[[], Any]:
    owner = {"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}
    return lambda: members_set(lab, [owner], actor=actor)


@pytest.mark.parametrize(
    "path", ["events?environment={lab}", "logs?container={container}", "shell?container={container}"]
)
def test_a_member_put_out_is_disconnected_at_once(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine, actor_of: Any, path: str
) -> None:
    address = "/ws/" + path.format(lab=lab.pk, container=container.pk)
    act = only_alice(lab, people, actor_of("alice"))
    code, seconds = seconds_until_closed(address, session_headers(people.bob), act)
    assert code == 4403
    assert seconds < 0.5
    assert becomes_true(lambda: not threads_named("logs-", "shell-"))


@pytest.mark.parametrize("change", [{"role": "readonly"}, {"addresses": ["192.0.2.0/24"]}])
def test_a_key_that_is_held_to_less_is_disconnected_at_once(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine, actor_of: Any, change: dict[str, Any]
) -> None:
    made = environment_key_create(actor=actor_of("alice"), environment=lab, name="ci")
    reconcile_until_idle()
    key, actor = ApiKey.objects.select_related("scope").get(pk=made.key.pk), actor_of("alice")
    code, seconds = seconds_until_closed(
        f"/ws/shell?container={container.pk}", basic_headers(made), lambda: key_change(key, actor=actor, **change)
    )
    assert code in {4401, 4403}
    assert seconds < 0.5
    assert [loss.sockets for loss in actor.revoked_counts] == [1]


def test_the_others_stay(
    people: Any, lab: Environment, container: Container, engine: ScriptedEngine, actor_of: Any
) -> None:
    act = only_alice(lab, people, actor_of("alice"))

    headers = session_headers(people.alice)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/logs?container={container.pk}", headers) as websocket_client:
            await websocket_client.is_silent(0.2)
            await sync_to_async(act, thread_sensitive=False)()
            await asyncio.sleep(0.3)
            engine.stream.feed(log_line(1))
            assert (await websocket_client.json("lines"))["lines"][0][2] == "line 1"

    run_async(scenario)


def test_even_without_a_message_the_socket_closes_within_two_seconds(
    people: Any,
    lab: Environment,
    container: Container,
    engine: ScriptedEngine,
    monkeypatch: pytest.MonkeyPatch,
    actor_of: Any,
) -> None:
    monkeypatch.setattr(hooks, "rights_changed", [])
    act = only_alice(lab, people, actor_of("alice"))
    code, seconds = seconds_until_closed(f"/ws/logs?container={container.pk}", session_headers(people.bob), act)
    assert code == 4403
    assert seconds < 2.1


def test_a_removed_member_receives_no_more_changes(people: Any, lab: Environment, actor_of: Any) -> None:
    """The message races with the removal; the check before sending decides."""

    def act() -> None:
        lab.members.filter(account=people.bob).delete()
        role_groups_sync(lab)
        authentication._cache.clear()
        row_changed(lab.pk, "container", 1)

    headers = session_headers(people.bob)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/events?environment={lab.pk}", headers) as websocket_client:
            await websocket_client.json("ping")
            await sync_to_async(act, thread_sensitive=False)()
            frame = await websocket_client.frame()
            assert (frame["type"], frame.get("code")) == ("websocket.close", 4403)

    run_async(scenario)


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The periodic check, every third of a second."""
    monkeypatch.setattr(base_socket, "CHECK_INTERVAL", 0.3)
    monkeypatch.setattr(base_socket, "CHECK_MAX_AGE", 0.0)


@pytest.mark.usefixtures("hurry")
def test_logging_out_closes_the_sockets(people: Any, container: Container, engine: ScriptedEngine) -> None:
    act = Session.objects.all().delete
    code, seconds = seconds_until_closed(f"/ws/logs?container={container.pk}", session_headers(people.bob), act)
    assert code == 4401
    assert seconds < 0.6


@pytest.mark.usefixtures("hurry")
def test_a_deactivated_account_is_disconnected(
    people: Any, container: Container, engine: ScriptedEngine, actor_of: Any
) -> None:
    root = actor_of("root")
    act = lambda: account_act(people.bob, "deactivate", actor=root)  # noqa: E731
    code, seconds = seconds_until_closed(f"/ws/shell?container={container.pk}", session_headers(people.bob), act)
    assert code == 4401
    assert seconds < 0.6


@pytest.mark.usefixtures("hurry")
def test_a_key_that_is_taken_away_is_disconnected(
    people: Any, container: Container, engine: ScriptedEngine, actor_of: Any
) -> None:
    alice = actor_of("alice")
    made = key_create(actor=alice, account=people.alice)
    act = lambda: key_act(made.key, "deactivate", actor=alice)  # noqa: E731
    code, seconds = seconds_until_closed(f"/ws/logs?container={container.pk}", basic_headers(made), act)
    assert code == 4401
    assert seconds < 0.6
