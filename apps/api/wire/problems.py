"""Any exception as a refusal."""

from __future__ import annotations

from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    NotAuthenticated,
    ParseError,
    PermissionDenied,
    Throttled,
)

from apps.core.errors import Problem, Unauthorized


class TooLarge(Problem):
    """The body is larger than any honest one."""

    status = 413
    code = "MaxLimitExceeded"


_FORESEEN: dict[type[Exception], Problem] = {
    RequestDataTooBig: TooLarge("The body is too large."),
    Http404: Problem("Not Found", status=404, code="Not Found"),
    SuspiciousOperation: Problem("The request is malformed.", status=400, code="Bad Request"),
    OperationalError: Problem(
        "The portal cannot use its database: make room where it keeps its data, or look whether the database is there, "
        "then try again. What runs on the hosts is not touched.",
        status=503,
        code="Service Unavailable",
    ),
}


def problem_of(error: Exception) -> Problem:
    """Any exception as a refusal; what nobody foresaw is logged with its trace."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, APIException):
        return _from_framework(error)
    for kind, foreseen in _FORESEEN.items():
        if isinstance(error, kind):
            return foreseen
    return Problem("The portal made a mistake; its log tells more under this id.", status=500)


def _from_framework(error: APIException) -> Problem:
    if isinstance(error, AuthenticationFailed | NotAuthenticated):
        return Unauthorized("Unauthorized")
    if isinstance(error, ParseError):
        return Problem("The body cannot be read.", status=422, code="InvalidBodyContent")
    if isinstance(error, PermissionDenied):
        return Problem(str(error.detail), status=403, code=str(error.get_codes()))
    if isinstance(error, Throttled):
        return Problem("Too many requests; try again a little later.", status=429, code="Too Many Requests")
    code = "Method not allowed" if error.status_code == 405 else HTTPStatus(error.status_code).phrase
    return Problem(code, status=error.status_code, code=code)
