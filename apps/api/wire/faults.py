"""Every refusal and every mistake as a v1 error (v1 contract, section 1.8)."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from rest_framework.response import Response

from apps.api.wire.problems import problem_of
from apps.core.errors import Problem

log = logging.getLogger(__name__)


def body_of(problem: Problem, key: str) -> dict[str, Any]:
    """The v1 error."""
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
    return {**body, "fieldName": problem.field} if problem.field else body


def answer(error: Exception, context: dict[str, Any]) -> Response:
    """REST framework's exception handler."""
    problem, key = problem_of(error), str(uuid.uuid4())
    if problem.status >= 500:
        request = context.get("request")
        method, path = getattr(request, "method", ""), getattr(request, "path", "")
        log.error("%s %s failed, error %s", method, path, key, exc_info=error)
    response = Response(body_of(problem, key), status=problem.status)
    wait = getattr(error, "wait", None)
    if wait:
        response["Retry-After"] = str(int(wait) + 1)
    return response
