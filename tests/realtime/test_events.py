"""A commit reaches every socket of its environment, soon and once, and no other socket."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from apps.accounts.services import key_create
from apps.core import events
from apps.core.events import row_changed
from apps.core.hooks import hooks
from apps.environments.models import Environment
from apps.environments.services import environment_create
from tests.realtime.websocket_client import (
    WebSocketClient,
    basic_headers,
    run_async,
    session_headers,
)

pytestmark = pytest.mark.django_db(transaction=True)

SUBSCRIBE = "eventNames=resource.change&eventNames=service.kubernetes.change"


def commit(lab: int, *rows: tuple[str, int]) -> None:
    with transaction.atomic():
        for kind, key in rows:
            row_changed(lab, kind, key)


@pytest.fixture(autouse=True)
def quiet(lab: Environment) -> None:
    """No event from creating the lab is still pending."""
    events._publisher._drain()


commit_async = sync_to_async(commit, thread_sensitive=False)


def test_a_commit_is_sent_within_a_tenth_of_a_second(people: Any, lab: Environment) -> None:
    headers = session_headers(people.rita)
    delays = []

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/events?environment={lab.pk}", headers) as websocket_client:
            await websocket_client.json("ping")
            for n in range(1, 6):
                began = time.monotonic()
                await commit_async(lab.pk, ("container", n))
                assert (await websocket_client.json("changed"))["changes"] == [["container", n]]
                delays.append(time.monotonic() - began)
                await asyncio.sleep(0.25)

    run_async(scenario)
    assert sorted(delays)[2] < 0.1


def test_changes_of_one_moment_are_one_message(people: Any, lab: Environment) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/events?environment={lab.pk}", headers) as websocket_client:
            await websocket_client.json("ping")
            await commit_async(lab.pk, ("service", 3), ("container", 12), ("container", 12))
            assert (await websocket_client.json("changed"))["changes"] == [["container", 12], ["service", 3]]
            assert await websocket_client.is_silent(0.2)

    run_async(scenario)


def test_a_storm_becomes_a_few_messages(people: Any, lab: Environment) -> None:
    headers = session_headers(people.rita)
    frames: list[list[Any]] = []

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/events?environment={lab.pk}", headers) as websocket_client:
            await websocket_client.json("ping")
            for n in range(200):
                await commit_async(lab.pk, ("container", n))
            while not frames or ["container", 199] not in frames[-1]:
                frames.append((await websocket_client.json("changed"))["changes"])

    run_async(scenario)
    assert {key for frame in frames for _kind, key in frame} == set(range(200))
    assert len(frames) < 10


def test_what_is_rolled_back_is_not_sent(people: Any, lab: Environment) -> None:
    headers = session_headers(people.rita)

    def fail() -> None:
        with transaction.atomic():
            row_changed(lab.pk, "container", 1)
            transaction.set_rollback(True)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/events?environment={lab.pk}", headers) as websocket_client:
            await websocket_client.json("ping")
            await sync_to_async(fail, thread_sensitive=False)()
            assert await websocket_client.is_silent(0.2)

    run_async(scenario)


def test_another_environments_changes_are_not_sent(people: Any, lab: Environment, actor_of: Any) -> None:
    headers = session_headers(people.alice)
    other = environment_create(actor=actor_of("alice"), name="Other")
    time.sleep(0.2)

    async def scenario() -> None:
        async with WebSocketClient(f"/ws/events?environment={lab.pk}", headers) as websocket_client:
            await websocket_client.json("ping")
            await commit_async(other.pk, ("container", 1))
            assert await websocket_client.is_silent(0.3)

    run_async(scenario)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A renderer of containers that records for whom and with which base URL."""

    def render(kind: str, key: int, actor: Any, base: str, dialect: str) -> dict[str, Any] | None:
        if kind != "container":
            return None
        links = {"self": f"{base}/{dialect}"}
        return {"id": f"1i{key}", "type": "container", "seen_by": actor.user.login, "links": links}

    monkeypatch.setattr(hooks, "render", render)


def test_v1_subscribers_get_resources_as_their_role_sees_them(people: Any, lab: Environment, rendered: None) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(f"/v1/projects/1a{lab.pk}/subscribe?{SUBSCRIBE}", headers) as websocket_client:
            ping = await websocket_client.json()
            assert (ping["name"], ping["resourceType"]) == ("ping", None)
            await commit_async(lab.pk, ("container", 12), ("operation", 1))
            event = await websocket_client.json()
            assert (event["name"], event["resourceId"], event["resourceType"]) == (
                "resource.change",
                "1i12",
                "container",
            )
            resource = event["data"]["resource"]
            assert (resource["seen_by"], resource["links"]["self"]) == ("rita", "http://portal.test/v1")
            assert await websocket_client.is_silent(0.2)

    run_async(scenario)


def test_v1_names_that_were_not_asked_for_bring_nothing(people: Any, lab: Environment, rendered: None) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        async with WebSocketClient(
            f"/v1/subscribe?eventNames=service.kubernetes.change&projectId=1a{lab.pk}", headers
        ) as websocket_client:
            await websocket_client.json()
            await commit_async(lab.pk, ("container", 12))
            assert await websocket_client.is_silent(0.2)

    run_async(scenario)


@pytest.mark.parametrize("suffix", ["", ";account=5"])
def test_a_v1_key_receives_events_of_its_environment_without_naming_it(
    people: Any, lab: Environment, rendered: None, actor_of: Any, suffix: str
) -> None:
    headers = basic_headers(key_create(actor=actor_of("bob"), account=people.bob))

    async def scenario() -> None:
        async with WebSocketClient(f"/v1/subscribe?eventNames=resource.change{suffix}", headers) as websocket_client:
            await websocket_client.json()
            await commit_async(lab.pk, ("container", 7))
            assert (await websocket_client.json())["resourceId"] == "1i7"

    run_async(scenario)


def test_subscribers_of_both_dialects_get_the_same_change_in_their_own_words(
    people: Any, lab: Environment, rendered: None
) -> None:
    headers = session_headers(people.rita)

    async def scenario() -> None:
        paths = [f"/{dialect}/projects/1a{lab.pk}/subscribe?{SUBSCRIBE}" for dialect in ("v1", "v2-beta")]
        async with WebSocketClient(paths[0], headers) as first, WebSocketClient(paths[1], headers) as later:
            for each in (first, later):
                assert (await each.json())["name"] == "ping"
            await commit_async(lab.pk, ("container", 12))
            links = [(await each.json())["data"]["resource"]["links"]["self"] for each in (first, later)]
            assert links == ["http://portal.test/v1", "http://portal.test/v2-beta"]

    run_async(scenario)


def test_v1_non_members_receive_nothing(people: Any, lab: Environment, rendered: None) -> None:
    headers = session_headers(people.mallory)

    async def scenario() -> None:
        inside = [f"/{dialect}/projects/1a{lab.pk}/subscribe" for dialect in ("v1", "v2-beta")]
        for path in (*inside, "/v1/projects/nonsense/subscribe", "/v1/subscribe", "/v2-beta/subscribe"):
            async with WebSocketClient(f"{path}?{SUBSCRIBE}", headers) as websocket_client:
                assert await websocket_client.code() == 4404

    run_async(scenario)
