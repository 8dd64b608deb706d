"""A database that takes nothing is the portal's trouble, not the caller's: 503 with a remedy, no trace."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, OperationalError

from apps.api.wire.errors import to_problem
from apps.control.audit import chain

DATABASE_ERRORS = ["database or disk is full", "disk I/O error", "server closed the connection unexpectedly"]


@pytest.mark.parametrize("words", DATABASE_ERRORS)
def test_the_remedy_is_reported(words: str):
    problem = to_problem(OperationalError(words))
    assert (problem.status, problem.code) == (503, "Service Unavailable")
    assert "make room" in problem.message
    assert "not touched" in problem.message
    assert words not in problem.message, "what the database says is for the log"


def test_a_mistake_stays_a_mistake():
    assert to_problem(IntegrityError("UNIQUE constraint failed")).status == 500


@pytest.fixture
def disk_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit log takes nothing more."""

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError(DATABASE_ERRORS[0])

    monkeypatch.setattr(chain, "record_answers", fail)
    monkeypatch.setattr(chain, "append_entry", fail)


def test_a_refusal_that_cannot_be_noted_is_the_same_refusal(
    api: Any, disk_full: None, caplog: pytest.LogCaptureFixture
):
    answer = api.post("environments", {"name": "x"})
    assert (answer.status, answer["code"]) == (503, "Service Unavailable")
    assert "the answer 503 to stack.create is missing in the audit log" in caplog.text


def test_what_is_done_is_not_called_refused(
    api: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: Any) -> None:
        raise OperationalError(DATABASE_ERRORS[0])

    monkeypatch.setattr(chain, "record_answers", fail)
    answer = api.post("environments", {"name": "x"})
    assert (answer.status, answer["name"]) == (201, "x")
    assert "the answer 201 to stack.create is missing" in caplog.text


def test_the_caller_hears_it(api: Any, monkeypatch: pytest.MonkeyPatch):
    from apps.api.resources import stacks

    def fail(**_: Any) -> None:
        raise OperationalError(DATABASE_ERRORS[0])

    monkeypatch.setattr(stacks, "stack_create", fail)
    answer = api.post("environments", {"name": "x"})
    assert (answer.status, answer["type"], answer["code"]) == (503, "error", "Service Unavailable")
    assert "make room" in answer["message"]
