"""Refusals carry what a face needs to answer."""

from __future__ import annotations

import pytest

from apps.core.errors import (
    ActionNotAvailable,
    Conflict,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    Problem,
    Unauthorized,
)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (Problem, 500, "Internal Server Error"),
        (ActionNotAvailable, 422, "ActionNotAvailable"),
        (Unauthorized, 401, "Unauthorized"),
        (Forbidden, 403, "Forbidden"),
        (NotFound, 404, "Not Found"),
        (MethodNotAllowed, 405, "Method not allowed"),
        (Conflict, 409, "Conflict"),
    ],
)
def test_each_refusal_has_its_status_and_code(kind: type[Problem], status: int, code: str) -> None:
    problem = kind("no")
    assert (problem.status, problem.code, problem.message, str(problem)) == (status, code, "no", "no")
    assert problem.field is None


def test_an_invalid_field_is_named() -> None:
    problem = Invalid("scale", "MinLimitExceeded", "scale must be at least 0", detail="got -1")
    assert (problem.status, problem.code, problem.field, problem.detail) == (422, "MinLimitExceeded", "scale", "got -1")


def test_a_refusal_may_say_its_own_status_and_code() -> None:
    problem = NotFound("gone", status=410, code="Gone")
    assert (problem.status, problem.code) == (410, "Gone")
    assert (NotFound("x").status, NotFound("x").code) == (404, "Not Found")
