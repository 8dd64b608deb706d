"""Audit entries of what is opened over a socket: written before it is opened, completed with how that went."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from apps.control.services import record, record_response
from apps.core.errors import Problem
from apps.drivers.base import EngineConflict, EngineError
from apps.environments.actor import Actor


@contextlib.contextmanager
def audited(
    event: str, *, actor: Actor, row: Any, environment_id: int | None, request: Mapping[str, Any]
) -> Iterator[None]:
    """Record what is done in the block to `row`, and whether it raised."""
    record(event, actor=actor, row=row, environment_id=environment_id, request=request)
    code, message = 200, ""
    try:
        yield
    except (EngineError, Problem) as error:
        code, message = _status_of(error), str(error)
        raise
    except Exception as error:
        code, message = 500, type(error).__name__
        raise
    finally:
        details = {"message": message} if message else {}
        record_response(actor, code, details, event=event, environment_id=environment_id, request=request)


def _status_of(error: EngineError | Problem) -> int:
    if isinstance(error, Problem):
        return error.status
    return 409 if isinstance(error, EngineConflict) else 502
