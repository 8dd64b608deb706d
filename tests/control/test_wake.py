"""Wake-ups: one waits however often it is asked, and losing one is no harm."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from apps.accounts.models import ApiKey
from apps.control import tasks, wake
from apps.control.models import Operation
from apps.control.reconcile import due, look
from apps.core.result import Result


class Keys:
    """The few calls of a Redis client that wake-ups make."""

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self.away = False

    def set(self, name: str, value: int, *, nx: bool, px: int) -> bool | None:
        if self.away:
            raise redis.ConnectionError("away")
        if name in self.kept:
            return None
        self.kept.add(name)
        return True

    def delete(self, name: str) -> None:
        if self.away:
            raise redis.ConnectionError("away")
        self.kept.discard(name)


@pytest.fixture
def keys(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Keys:
    settings.WAKE_BY = "celery"
    made = Keys()
    monkeypatch.setattr(wake, "connection", lambda: made)
    return made


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    sent: list[Any] = []
    monkeypatch.setattr(tasks.reconcile, "apply_async", lambda args, **how: sent.append((args, how["countdown"])))
    return sent


def test_many_wake_ups_are_one_until_the_look_begins(keys: Keys, queued: list[Any]):
    for _ in range(5):
        wake.send("host", 7)
    wake.send("host", 8)
    assert queued == [(("host", 7), None), (("host", 8), None)]
    wake.taken("host", 7)
    wake.send("host", 7)
    assert len(queued) == 3


def test_a_later_wake_up_does_not_stand_in_for_one_now(keys: Keys, queued: list[Any]):
    wake.send("host", 7, 5)
    wake.send("host", 7)
    assert queued == [(("host", 7), 5), (("host", 7), None)]


def settled(key: ApiKey) -> ApiKey:
    """The key, with nothing due."""
    look("apiKey", key.pk)
    assert due() == []
    return key


def test_without_the_queue_the_row_is_left_to_the_clock(
    key: ApiKey, keys: Keys, queued: list[Any], caplog: pytest.LogCaptureFixture
):
    settled(key)
    keys.away = True
    wake.send("apiKey", key.pk)
    wake.taken("apiKey", key.pk)
    assert queued == []
    assert due() == [("apiKey", key.pk)]
    assert "the clock will find it" in caplog.text


def test_a_task_that_could_not_be_queued_leaves_no_key_behind(
    key: ApiKey, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("broker away")

    monkeypatch.setattr(tasks.reconcile, "apply_async", refuse)
    wake.send("apiKey", settled(key).pk)
    assert keys.kept == set()
    assert due() == [("apiKey", key.pk)]
    assert "lost" in caplog.text


def test_a_wake_up_left_to_the_clock_reaches_a_row_that_is_being_looked_at(key: ApiKey, script: Any, settings: Any):
    settings.WAKE_BY = "clock"

    def while_somebody_wakes(row: ApiKey) -> Result:
        wake.send("apiKey", row.pk)
        return Result(state="active")

    script.then(while_somebody_wakes)
    look("apiKey", key.pk)
    assert due() == [("apiKey", key.pk)]
    wake.send("apiKey", settled(key).pk)
    assert due() == [("apiKey", key.pk)]


def test_the_clock_wakes_what_is_due_and_fails_what_is_late(key: ApiKey, monkeypatch: pytest.MonkeyPatch):
    sent: list[Any] = []
    monkeypatch.setattr(tasks, "send", lambda kind, number: sent.append((kind, number)))
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    Operation.all_objects.filter(target=key.pk, kind="apiKey").update(created="2026-01-01T00:00:00Z")
    tasks.resync()
    assert sent == [("apiKey", key.pk)]
    assert Operation.all_objects.get(target=key.pk, kind="apiKey").state == "failed"


def test_the_task_is_one_look(key: ApiKey, script: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    tasks.reconcile("apiKey", key.pk)
    assert ApiKey.objects.get().shown == "active"
    assert len(script.seen) == 1
