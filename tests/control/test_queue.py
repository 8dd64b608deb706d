"""The queue of reconciles: one waits however often it is asked for, and losing one does no harm."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import redis

from apps.accounts.models import ApiKey
from apps.containers.models import Container
from apps.control import queue, tasks
from apps.control import reconcile as loop
from apps.control.models import Operation
from apps.control.reconcile import due_rows, reconcile_one
from apps.control.shares import INSTALLATION_QUEUE
from apps.core.result import ReconcileResult
from apps.environments.models import Environment


class FakeRedis:
    """The few calls of a Redis client that the queue makes."""

    def __init__(self) -> None:
        self.stored_names: set[str] = set()
        self.is_down = False

    def set(self, name: str, value: int, *, nx: bool, px: int) -> bool | None:
        if self.is_down:
            raise redis.ConnectionError("away")
        if name in self.stored_names:
            return None
        self.stored_names.add(name)
        return True

    def delete(self, name: str) -> None:
        if self.is_down:
            raise redis.ConnectionError("away")
        self.stored_names.discard(name)


@pytest.fixture
def keys(settings: Any, monkeypatch: pytest.MonkeyPatch) -> FakeRedis:
    settings.WAKE_BY = "celery"
    made = FakeRedis()
    monkeypatch.setattr(queue, "connection", lambda: made)
    return made


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    sent: list[Any] = []

    def send(name: str, args: Any, **how: Any) -> None:
        assert name == tasks.reconcile.name
        *row, due = args
        assert due >= (how["countdown"] or 0)
        assert how["queue"] == INSTALLATION_QUEUE
        sent.append((tuple(row), how["countdown"]))

    monkeypatch.setattr(queue, "current_app", SimpleNamespace(send_task=send))
    monkeypatch.setattr(queue, "environment_of_key", lambda _kind, _key: None)
    return sent


def test_many_requeues_are_one_until_the_reconcile_begins(keys: FakeRedis, queued: list[Any]):
    for _ in range(5):
        queue.enqueue("host", 7)
    queue.enqueue("host", 8)
    assert queued == [(("host", 7), None), (("host", 8), None)]
    queue.clear_pending("host", 7)
    queue.enqueue("host", 7)
    assert len(queued) == 3


def test_a_delayed_requeue_does_not_replace_an_immediate_one(keys: FakeRedis, queued: list[Any]):
    queue.enqueue("host", 7, 5)
    queue.enqueue("host", 7)
    assert queued == [(("host", 7), 5), (("host", 7), None)]


def reconciled(key: ApiKey) -> ApiKey:
    """The key, with nothing due."""
    reconcile_one("apiKey", key.pk)
    assert due_rows() == []
    return key


def test_without_the_queue_the_row_is_left_to_the_next_resync(
    key: ApiKey, keys: FakeRedis, queued: list[Any], caplog: pytest.LogCaptureFixture
):
    reconciled(key)
    keys.is_down = True
    queue.enqueue("apiKey", key.pk)
    queue.clear_pending("apiKey", key.pk)
    assert queued == []
    assert due_rows() == [("apiKey", key.pk)]
    assert "the next resync will find it" in caplog.text


def test_a_task_that_could_not_be_queued_leaves_no_key_behind(
    key: ApiKey, keys: FakeRedis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("broker away")

    monkeypatch.setattr(queue, "current_app", SimpleNamespace(send_task=refuse))
    queue.enqueue("apiKey", reconciled(key).pk)
    assert keys.stored_names == set()
    assert due_rows() == [("apiKey", key.pk)]
    assert "lost" in caplog.text


def test_a_requeue_left_to_the_resync_reaches_a_row_that_is_being_reconciled(key: ApiKey, script: Any, settings: Any):
    settings.WAKE_BY = "clock"

    def while_somebody_requeues(row: ApiKey) -> ReconcileResult:
        queue.enqueue("apiKey", row.pk)
        return ReconcileResult(state="active")

    script.then(while_somebody_requeues)
    reconcile_one("apiKey", key.pk)
    assert due_rows() == [("apiKey", key.pk)]
    queue.enqueue("apiKey", reconciled(key).pk)
    assert due_rows() == [("apiKey", key.pk)]


def test_the_clock_enqueues_what_is_due_and_fails_what_is_late(key: ApiKey, monkeypatch: pytest.MonkeyPatch):
    sent: list[Any] = []
    monkeypatch.setattr(loop, "enqueue", lambda kind, number: sent.append((kind, number)))
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    Operation.all_objects.filter(target=key.pk, kind="apiKey").update(created="2026-01-01T00:00:00Z")
    for name in ("resync", "fail-overdue-operations"):
        tasks.periodic(name)
    assert sent == [("apiKey", key.pk)]
    assert Operation.all_objects.get(target=key.pk, kind="apiKey").state == "failed"


def test_the_task_is_one_reconcile(key: ApiKey, script: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    tasks.reconcile("apiKey", key.pk)
    assert ApiKey.objects.get().display_state == "active"
    assert len(script.seen) == 1


def test_of_many_new_rows_the_first_are_queued_and_the_next_resync_finds_the_others(
    keys: FakeRedis, queued: list[Any], lab: Environment, django_capture_on_commit_callbacks: Any
):
    """Each message takes milliseconds, and whoever imports five hundred services waits for the answer."""
    many = [Container(environment=lab, name=f"c{number}", desired="running") for number in range(60)]
    rows = [("container", each.pk) for each in Container.all_objects.bulk_create(many)]
    with django_capture_on_commit_callbacks(execute=True):
        queue.enqueue_all_after_commit("container", [key for _kind, key in rows])
    assert [row for row, _later in queued] == rows[: queue.QUEUED_AT_ONCE]
    loop.resync()
    assert {row for row, _later in queued if row[0] == "container"} == set(rows)
