"""A kind whose reconciles the test scripts, and somebody's key to reconcile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.models import ApiKey
from apps.accounts.services import key_create
from apps.control import queue
from apps.control.kinds import KINDS, Kind
from apps.core.result import ReconcileResult
from apps.environments.actor import Actor

Step = ReconcileResult | BaseException | Callable[[ApiKey], ReconcileResult]


class ReconcileScript:
    """What each reconcile of an API key returns: a result, an exception, or a function of the row."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.seen: list[ApiKey] = []

    def then(self, *steps: Step) -> None:
        self.steps += steps

    def reconcile(self, row: ApiKey) -> ReconcileResult:
        self.seen.append(row)
        step = self.steps.pop(0) if self.steps else ReconcileResult(state=row.desired)
        if isinstance(step, BaseException):
            raise step
        return step if isinstance(step, ReconcileResult) else step(row)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ReconcileScript:
    """Has API keys reconciled by a script; without a step left the desired state is reached."""
    made = ReconcileScript()
    monkeypatch.setitem(KINDS, "apiKey", Kind("apiKey", ApiKey, made.reconcile))
    return made


@pytest.fixture
def key(people: Any, actor_of: Callable[..., Actor], script: ReconcileScript) -> ApiKey:
    """Bob's new key, not reconciled yet."""
    return key_create(actor=actor_of("bob"), account=people.bob, name="ci").key


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The requeues that were really sent."""
    sent: list[tuple[str, int]] = []
    monkeypatch.setattr(queue, "enqueue", lambda kind, key, after=0: sent.append((kind, key)))
    return sent
