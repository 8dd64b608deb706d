"""Change notifications: collected, sent once, to their environment only, and never in the way of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from apps.core import events
from apps.core import events as publishing

Sent = list[tuple[str, dict[str, Any]]]


class Layer:
    """A channel layer that remembers; `broken` groups cannot be reached."""

    def __init__(self) -> None:
        self.sent: Sent = []
        self.broken: set[str] = set()

    async def group_send(self, name: str, message: dict[str, Any]) -> None:
        if name in self.broken:
            raise ConnectionError("gone")
        self.sent.append((name, message))


class Publisher(publishing.Publisher):
    """Without its thread: the test takes what was collected."""

    def _ensure_running(self) -> None:
        self.begun = getattr(self, "begun", 0) + 1


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> Layer:
    found = Layer()
    monkeypatch.setattr(events, "get_channel_layer", lambda: found)
    return found


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Publisher:
    found = Publisher()
    monkeypatch.setattr(events, "_publisher", found)
    return found


@pytest.fixture
def send(publisher: Publisher, layer: Layer) -> Callable[[], Sent]:
    """Sends what was collected, as the thread does; what went out."""

    def flush() -> Sent:
        layer.sent.clear()
        asyncio.run(events.send_batch(*publisher._drain()))
        return list(layer.sent)

    return flush


def test_groups_of_different_things_never_meet():
    names = [
        events.environment_group(1),
        events.environment_group(None),
        events.account_group(1),
        events.agent_group(1),
        events.environment_group(11),
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("environment", [None, 0])
def test_what_belongs_to_no_environment_is_the_site_s(environment: int | None):
    assert events.environment_group(environment) == "site"


def test_changes_of_one_environment_are_one_message(publisher: Publisher, send: Any):
    for key in (3, 1, 2, 1, 1):
        publisher.row(7, "container", key)
    publisher.row(7, "host", 1)
    [(name, message)] = send()
    assert (name, message["type"]) == ("env.7", "rows.changed")
    assert message["changes"] == [("container", 1), ("container", 2), ("container", 3), ("host", 1)]
    assert message["at"] > 0


def test_each_environment_hears_of_its_own_only(publisher: Publisher, send: Any):
    for environment in (7, 8, None):
        publisher.row(environment, "host", environment or 0)
    changes = {name: message["changes"] for name, message in send()}
    assert changes == {"env.7": [("host", 7)], "env.8": [("host", 8)], "site": [("host", 0)]}


def test_what_was_sent_is_not_sent_again(publisher: Publisher, send: Any):
    publisher.row(7, "host", 1)
    publisher.rights("env.7")
    assert len(send()) == 2
    assert send() == []


def test_lost_rights_go_first(publisher: Publisher, send: Any):
    publisher.row(7, "host", 1)
    publisher.rights("env.7")
    publisher.rights("env.7")
    assert [message["type"] for _name, message in send()] == ["rights.changed", "rows.changed"]


def test_a_group_that_cannot_be_reached_is_in_nobody_s_way(
    publisher: Publisher, layer: Layer, send: Any, caplog: pytest.LogCaptureFixture
):
    layer.broken = {"env.7"}
    for environment in (7, 8):
        publisher.row(environment, "host", 1)
        publisher.rights(events.environment_group(environment))
    assert [name for name, _message in send()] == ["env.8", "env.8"]
    assert caplog.text.count("was not sent") == 2
    assert "rights.changed of env.7" in caplog.text


def test_without_a_layer_nothing_is_sent_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch, publisher: Publisher):
    monkeypatch.setattr(events, "get_channel_layer", lambda: None)
    publisher.row(7, "host", 1)
    asyncio.run(events.send_batch(*publisher._drain()))
    assert publisher._drain() == ({}, set())


PUBLISHERS: dict[str, tuple[Callable[[], None], str]] = {
    "row": (lambda: events.row_changed(7, "host", 1), "env.7"),
    "environment's rights": (lambda: events.rights_changed(7), "env.7"),
    "site's rights": (lambda: events.rights_changed(None), "site"),
    "account's rights": (lambda: events.account_changed(7), "account.7"),
    "agent's rights": (lambda: events.agent_changed(7), "agent.7"),
}


@pytest.mark.parametrize("what", PUBLISHERS)
def test_nothing_is_published_before_the_commit_and_everything_after(
    what: str, db: None, publisher: Publisher, send: Any, django_capture_on_commit_callbacks: Any
):
    publish, name = PUBLISHERS[what]
    with django_capture_on_commit_callbacks(execute=True):
        publish()
        assert publisher._drain() == ({}, set())
    assert [group for group, _message in send()] == [name]


@pytest.mark.parametrize("what", PUBLISHERS)
def test_what_was_rolled_back_is_never_published(
    what: str, db: None, publisher: Publisher, send: Any, django_capture_on_commit_callbacks: Any
):
    publish, _name = PUBLISHERS[what]

    def change() -> None:
        with transaction.atomic():
            publish()
            raise LookupError

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(LookupError):
        change()
    assert send() == []
