"""Every routed WebSocket declares its permission, and shows nobody foreign rows."""

from __future__ import annotations

import re
from typing import Any

import pytest

from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.environments.roles import PERMISSIONS
from apps.environments.services import environment_create
from apps.realtime.agent import AgentSocket
from apps.realtime.base_socket import BaseSocket, UnknownPathSocket
from apps.realtime.routing import urls
from tests.realtime.websocket_client import WebSocketClient, run_async, session_headers

CLASSES = {each.pattern.regex.pattern: each.callback.consumer_class for each in urls}
EXEMPT = {
    UnknownPathSocket: "says no to everybody",
    AgentSocket: "an agent shows its own registered key instead of a person's right",
}
SOCKETS = {pattern: each for pattern, each in CLASSES.items() if each not in EXEMPT}


@pytest.mark.parametrize("pattern", SOCKETS)
def test_every_socket_says_which_verb_and_which_permission_it_takes(pattern: str):
    """There are no defaults, so a class that declares neither fails here."""
    each = SOCKETS[pattern]
    assert issubclass(each, BaseSocket)
    assert getattr(each, "permission", None) in PERMISSIONS
    assert getattr(each, "verb", None)


def test_the_base_class_declares_no_defaults():
    assert not hasattr(BaseSocket, "permission")
    assert not hasattr(BaseSocket, "verb")


def test_a_socket_that_writes_takes_more_than_view():
    assert {each.permission for each in SOCKETS.values() if each.verb == "exec"} == {"exec"}
    assert {each.permission for each in SOCKETS.values() if each.verb == "logs"} == {"logs"}


def address_for(pattern: str, project: str) -> str:
    """A path that matches the pattern, with the project filled in where it has a parameter for one."""
    path = pattern.strip("^$").replace("(?:projects/(?P<project>[^/]+)/)?", f"projects/{project}/")
    path = re.sub(r"\(\?:host\|container\)\?", "container", path).replace("(?P<dialect>v1|v2-beta)", "v1")
    return "/" + re.sub(r"\(\?:/\.\*\)\?|/\?", "", path)


@pytest.mark.sockets
@pytest.mark.django_db(transaction=True)
def test_foreign_rows_are_not_found_on_any_socket(people: Any, foreign: Any, actor_of: Any, settings: Any):
    settings.ALLOWED_HOSTS = ["portal.test"]
    environment_create(actor=actor_of("mallory"), name="Den")
    headers = session_headers(people.mallory)
    lab: Environment = foreign.lab
    project = wire_id("a", lab.pk)
    queries = (
        f"environment={lab.pk}&container={foreign.container.pk}&projectId={project}",
        f"environment={project}&container={wire_id('i', foreign.container.pk)}&projectId={project}",
        f"environment={lab.pk}&host={foreign.host.pk}&projectId={project}",
    )
    codes: dict[str, int | None] = {}

    async def scenario() -> None:
        for pattern in SOCKETS:
            for query in queries:
                websocket_client = WebSocketClient(f"{address_for(pattern, project)}?{query}", headers)
                opened = await websocket_client.open()
                codes[f"{pattern} {query}"] = await websocket_client.code() if opened else None
                await websocket_client.disconnect()

    run_async(scenario)
    assert {what: code for what, code in codes.items() if code not in {4404, 4401}} == {}
    assert 4404 in codes.values()
    assert len(codes) == 3 * len(SOCKETS)
