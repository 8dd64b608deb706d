"""A database that takes nothing is the portal's trouble, not the caller's: 503 with a remedy, no trace."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, OperationalError

from apps.api.wire.problems import problem_of

WORDS = ["database or disk is full", "disk I/O error", "server closed the connection unexpectedly"]


@pytest.mark.parametrize("words", WORDS)
def test_the_remedy_is_told(words: str):
    problem = problem_of(OperationalError(words))
    assert (problem.status, problem.code) == (503, "Service Unavailable")
    assert "make room" in problem.message
    assert "not touched" in problem.message
    assert words not in problem.message, "what the database says is for the log"


def test_a_mistake_stays_a_mistake():
    assert problem_of(IntegrityError("UNIQUE constraint failed")).status == 500


def test_the_caller_hears_it(api: Any, monkeypatch: pytest.MonkeyPatch):
    from apps.api.resources import stacks

    def fail(**_: Any) -> None:
        raise OperationalError(WORDS[0])

    monkeypatch.setattr(stacks, "stack_create", fail)
    answer = api.post("environments", {"name": "x"})
    assert (answer.status, answer["type"], answer["code"]) == (503, "error", "Service Unavailable")
    assert "make room" in answer["message"]
