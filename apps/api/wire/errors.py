"""Any exception as a v1 error response (v1 contract, section 1.8)."""

from __future__ import annotations

import logging
import uuid
from http import HTTPStatus
from typing import Any

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
from rest_framework.response import Response

from apps.core.errors import Problem, Unauthorized


class BodyTooLarge(Problem):
    """The request body exceeds the limit."""

    status = 413
    code = "MaxLimitExceeded"


_KNOWN_ERRORS: dict[type[Exception], Problem] = {
    RequestDataTooBig: BodyTooLarge("The body is too large."),
    Http404: Problem("Not Found", status=404, code="Not Found"),
    SuspiciousOperation: Problem("The request is malformed.", status=400, code="Bad Request"),
    OperationalError: Problem(
        "The portal cannot use its database: free disk space in its data folder, or check that the database is "
        "reachable, then try again. Containers on the hosts keep running.",
        status=503,
        code="Service Unavailable",
    ),
}


def to_problem(error: Exception) -> Problem:
    """Any exception as a `Problem`; an unexpected one becomes a 500."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, APIException):
        return _from_rest_framework(error)
    for kind, known_error in _KNOWN_ERRORS.items():
        if isinstance(error, kind):
            return known_error
    return Problem("Internal error; the portal's log has the details under this id.", status=500)


def _from_rest_framework(error: APIException) -> Problem:
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


log = logging.getLogger(__name__)


def error_body(problem: Problem, key: str) -> dict[str, Any]:
    """The body of a v1 error; `key` is its id, also logged."""
    body = {
        "id": key,
        "type": "error",
        "links": {},
        "actions": {},
        "status": problem.status,
        "code": problem.code,
        "message": problem.message,
        "detail": problem.detail,
    }
    # v1 names a field of the launch configuration by itself; of a sidekick's it would be ambiguous.
    return {**body, "fieldName": problem.field.removeprefix("launchConfig.")} if problem.field else body


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """REST framework's exception handler."""
    problem, key = to_problem(error), str(uuid.uuid4())
    if problem.status >= 500:
        request = context.get("request")
        method, path = getattr(request, "method", ""), getattr(request, "path", "")
        log.error("%s %s failed, error %s", method, path, key, exc_info=error)
    response = Response(error_body(problem, key), status=problem.status)
    wait = getattr(error, "wait", None)
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    elif wait:
        # Rounded up, or a client that obeys would be throttled once more.
        response["Retry-After"] = str(int(wait) + 1)
    return response
