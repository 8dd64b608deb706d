"""Sockets in open mode and sockets of tickets from a session: each ends with what authenticated it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.accounts.login.open_mode import open_mode_off
from apps.accounts.login.sessions import sessions_close
from apps.accounts.models import Session
from apps.containers.models import Container
from apps.core.defaults import OPEN_MODE
from apps.core.models import Setting
from apps.environments.actor import Actor, actor_of_anonymous, actor_of_user
from apps.environments.models import Environment, SocketTicket
from apps.environments.services import ticket_issue
from tests.realtime.scripted_engine import ScriptedEngine
from tests.realtime.websocket_client import (
    ORIGIN,
    WebSocketClient,
    run_async,
    session_headers,
)

pytestmark = pytest.mark.django_db(transaction=True)

ENFORCE = {"x-enforce-authentication": "true"}
NOBODY: tuple[dict[str, str], ...] = (
    {},
    {"origin": ORIGIN},
    {"authorization": "Basic d3Jvbmc6a2V5"},
    {"cookie": "corral_session=x", "origin": ORIGIN},
)


@pytest.fixture
def opened(people: Any) -> None:
    """Access control is off."""
    Setting.objects.create(name=OPEN_MODE, value="false")


def codes(path: str, *each: dict[str, str]) -> list[int | None]:
    """The close code of each socket; None where it sends something."""
    found: list[int | None] = []

    async def scenario() -> None:
        for headers in each:
            websocket_client = WebSocketClient(path, headers)
            assert await websocket_client.open()
            frame = await websocket_client.frame()
            found.append(frame["code"] if frame["type"] == "websocket.close" else None)
            await websocket_client.disconnect()

    run_async(scenario)
    return found


def test_by_default_anonymous_visitors_are_sent_to_log_in(people: Any, lab: Environment) -> None:
    assert codes(f"/ws/events?environment={lab.pk}", *NOBODY) == [4401] * 4


def test_in_open_mode_anonymous_visitors_are_the_administrator(opened: None, lab: Environment) -> None:
    assert codes(f"/ws/events?environment={lab.pk}", *NOBODY) == [None] * 4


def test_a_handshake_may_ask_to_be_checked(opened: None, lab: Environment) -> None:
    assert codes(f"/ws/events?environment={lab.pk}", *({**each, **ENFORCE} for each in NOBODY)) == [4401] * 4


def test_an_unknown_ticket_is_rejected_even_then(opened: None, lab: Environment) -> None:
    assert codes(f"/ws/events?environment={lab.pk}&ticket=nonsense", {}) == [4401]


def ticket(actor: Actor, container: Container) -> str:
    return ticket_issue(
        actor=actor, environment_id=container.environment_id, verb="logs", kind="container", target=container.pk
    )


def closes_within(path: str, headers: dict[str, str], act: Any) -> float:
    """Seconds until the socket closes with 4401 after `act`."""
    taken: list[float] = []

    async def scenario() -> None:
        async with WebSocketClient(path, headers) as websocket_client:
            await asyncio.sleep(0.15)
            began = time.monotonic()
            await sync_to_async(act, thread_sensitive=False)()
            assert await websocket_client.code() == 4401
            taken.append(time.monotonic() - began)

    run_async(scenario)
    return taken[0]


def test_switching_access_control_on_closes_what_stood_on_open_mode(
    opened: None, people: Any, lab: Environment, container: Container, engine: ScriptedEngine
) -> None:
    act = lambda: open_mode_off(actor=None)  # noqa: E731
    assert closes_within(f"/ws/events?environment={lab.pk}", {}, act) < 0.7


def test_an_anonymous_ticket_is_worth_no_more_than_open_mode(
    opened: None, people: Any, container: Container, engine: ScriptedEngine
) -> None:
    token = ticket(actor_of_anonymous(people.root, "api"), container)
    unused = ticket(actor_of_anonymous(people.root, "api"), container)
    act = lambda: open_mode_off(actor=None)  # noqa: E731
    assert closes_within(f"/ws/logs?ticket={token}", {}, act) < 0.7
    assert codes(f"/ws/logs?ticket={unused}", {}) == [4401]


def test_a_ticket_ends_with_the_session_it_was_got_with(
    people: Any, container: Container, engine: ScriptedEngine
) -> None:
    session_headers(people.bob)
    session = Session.objects.select_related("account").get(account=people.bob)
    actor = actor_of_user(people.bob, "api", session=session)
    token, _unused = ticket(actor, container), ticket(actor, container)
    act = lambda: sessions_close(people.bob)  # noqa: E731
    assert closes_within(f"/ws/logs?ticket={token}", {}, act) < 0.7
    assert not SocketTicket.objects.exists()
