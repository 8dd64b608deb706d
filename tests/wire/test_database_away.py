"""A failing database is a 503 with a remedy and without internals."""

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
    assert "free disk space" in problem.message
    assert "keep running" in problem.message
    assert words not in problem.message, "the database's own message belongs in the log only"


def test_other_errors_stay_internal_errors():
    assert to_problem(IntegrityError("UNIQUE constraint failed")).status == 500


@pytest.fixture
def disk_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """No audit entry can be written."""

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError(DATABASE_ERRORS[0])

    monkeypatch.setattr(chain, "record_answers", fail)
    monkeypatch.setattr(chain, "append_entry", fail)
    monkeypatch.setattr(chain, "append_entries", fail)


def test_a_refusal_that_cannot_be_audited_stays_the_same_refusal(
    api: Any, disk_full: None, caplog: pytest.LogCaptureFixture
):
    answer = api.post("environments", {"name": "x"})
    assert (answer.status, answer["code"]) == (503, "Service Unavailable")
    assert "the answer 503 to stack.create is missing in the audit log" in caplog.text


def test_a_committed_change_succeeds_even_if_it_cannot_be_audited(
    api: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: Any) -> None:
        raise OperationalError(DATABASE_ERRORS[0])

    monkeypatch.setattr(chain, "record_answers", fail)
    answer = api.post("environments", {"name": "x"})
    assert (answer.status, answer["name"]) == (201, "x")
    assert "the answer 201 to stack.create is missing" in caplog.text


def test_the_caller_gets_a_503_with_the_remedy(api: Any, monkeypatch: pytest.MonkeyPatch):
    from apps.api.resources import stacks

    def fail(**_: Any) -> None:
        raise OperationalError(DATABASE_ERRORS[0])

    monkeypatch.setattr(stacks, "stack_create", fail)
    answer = api.post("environments", {"name": "x"})
    assert (answer.status, answer["type"], answer["code"]) == (503, "error", "Service Unavailable")
    assert "free disk space" in answer["message"]
