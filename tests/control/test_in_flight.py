"""An environment whose reconciles take long does not take every worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from apps.control import reconcile, tasks
from apps.control.in_flight import AT_ONCE, WORKERS, Slots

SLOW, OTHER = 1, 2
LIMIT = 60


class Workers:
    """As many workers as the portal has; reconciles of the environment `SLOW` last until `release`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, wait_seconds: float) -> None:
        self.done: list[int] = []
        self.put_off: list[int] = []
        self.release, self._begun = threading.Event(), threading.Semaphore(0)
        self._pool = ThreadPoolExecutor(WORKERS)
        monkeypatch.setattr(tasks, "_slots", Slots(wait_seconds=wait_seconds))
        monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
        monkeypatch.setattr(tasks, "environment_of_key", lambda _kind, key: key // 1000)
        monkeypatch.setattr(tasks, "put_off", lambda _kind, key: self.put_off.append(key))
        monkeypatch.setattr(reconcile, "reconcile_one", self._reconcile)

    def _reconcile(self, _kind: str, key: int) -> None:
        self._begun.release()
        if key // 1000 == SLOW:
            assert self.release.wait(LIMIT)
        self.done.append(key)

    def submit(self, environment: int, count: int) -> list[Future[None]]:
        return [self._pool.submit(tasks.reconcile, "container", environment * 1000 + at) for at in range(count)]

    def wait_until_begun(self, count: int) -> None:
        for _ in range(count):
            assert self._begun.acquire(timeout=LIMIT)

    def end(self) -> None:
        self.release.set()
        self._pool.shutdown()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], Workers]]:
    made: list[Workers] = []

    def make(wait_seconds: float) -> Workers:
        made.append(Workers(monkeypatch, wait_seconds))
        return made[-1]

    yield make
    for each in made:
        each.end()


def test_others_are_served_while_one_waits_for_its_engines(workers: Callable[[float], Workers]) -> None:
    here = workers(0.0)
    slow = here.submit(SLOW, 3 * WORKERS)
    here.wait_until_begun(AT_ONCE)
    for each in here.submit(OTHER, 5):
        each.result(LIMIT)
    assert sorted(here.done) == [OTHER * 1000 + at for at in range(5)]
    here.release.set()
    for each in slow:
        each.result(LIMIT)
    assert len(here.put_off) + len(here.done) == 3 * WORKERS + 5
    assert here.put_off


def test_where_reconciles_are_quick_nothing_is_put_off(workers: Callable[[float], Workers]) -> None:
    here = workers(LIMIT)
    here.release.set()
    for each in here.submit(SLOW, 50 * WORKERS):
        each.result(LIMIT)
    assert here.put_off == []
    assert len(here.done) == 50 * WORKERS


def test_what_belongs_to_no_environment_needs_no_slot() -> None:
    slots = Slots(at_once=0, wait_seconds=0)
    with slots.hold(None) as is_free:
        assert is_free
    with slots.hold(SLOW) as is_free:
        assert not is_free


def test_a_slot_is_given_back_after_a_failure() -> None:
    slots = Slots(at_once=1, wait_seconds=0)
    with pytest.raises(ValueError, match="bug"), slots.hold(SLOW):
        raise ValueError("bug")
    with slots.hold(SLOW) as is_free:
        assert is_free
