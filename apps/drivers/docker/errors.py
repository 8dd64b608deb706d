"""What went wrong, as the `EngineError` it means, with the engine's own message and without the libraries' wrapping."""

from __future__ import annotations

import json

from apps.core.read_budgets import OverBudget
from apps.core.texts import strip_unstorable
from apps.drivers.base import (
    EngineConflict,
    EngineDown,
    EngineError,
    EngineNotFound,
    EngineOverBudget,
    EngineRefused,
    EngineStuck,
    EngineTimeout,
    ImageMissing,
)

_CONFLICT_HINTS = ("port is already allocated", "address already in use", "has active endpoints")
# Some wrong requests are answered with status 500, as if the engine had failed.
_INVALID_HINTS = (
    "invalid volume specification",
    "invalid mount",
    "invalid mode",
    "cannot unmarshal",
    "invalid reference format",
)
# What is left of a container whose engine was killed while it started or removed it, or whose disk was lost: an engine
# says so at every start of that container, and at none of another one.
_STUCK_HINTS = (
    ("task ", ": already exists"),
    ("container with given id already exists",),
    ("container with id exists",),
    ("io.containerd.runtime.v2.task", "file exists"),
    ("is marked for removal and cannot be started",),
    ("rwlayer of container", "nil"),
)
PLATFORM_MISMATCH = "does not match the specified platform"
_MISSING_IMAGE_HINTS = (
    "no such image",
    "pull access denied",
    "manifest unknown",
    "manifest for ",
    PLATFORM_MISMATCH,
)


def error_from_response(status: int, text: str) -> EngineError:
    """The error of an HTTP answer; `text` is its body or the message from it."""
    message = strip_unstorable(_message(text)) or f"The engine refused with HTTP status {status} and no reason."
    lowered = message.lower()
    kind = EngineError
    if status == 404:
        kind = ImageMissing if any(hint in lowered for hint in _MISSING_IMAGE_HINTS) else EngineNotFound
    elif status in {409, 500} and any(all(part in lowered for part in hint) for hint in _STUCK_HINTS):
        kind = EngineStuck
    elif status in {403, 409} or any(hint in lowered for hint in _CONFLICT_HINTS):
        kind = EngineConflict
    elif status in {400, 401, 406, 413, 422} or any(hint in lowered for hint in _INVALID_HINTS):
        kind = EngineRefused
    elif status in {502, 503, 504}:
        kind = EngineDown  # something between us and the engine says that it is away
    return kind(message)


def _message(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError:
        return text.strip()
    return str(found.get("message") or "").strip() if isinstance(found, dict) else text.strip()


def unreachable_error(url: str, error: BaseException) -> EngineDown:
    """No connection, a broken one, or no answer in time."""
    cause = _root_cause(error)
    if isinstance(cause, TimeoutError) or "timed out" in str(cause).lower() or "Timeout" in type(error).__name__:
        return EngineTimeout(f"The engine at {url} did not answer in time.")
    message = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause) or type(cause).__name__
    return EngineDown(f"The engine at {url} cannot be reached: {message}.")


UNEXPECTED_ANSWER_ERRORS = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""What code that was made for an engine's answers raises when it meets something else."""


def over_budget_error(url: str, error: OverBudget) -> EngineOverBudget:
    """More, or for longer, than is read."""
    return EngineOverBudget(f"The engine at {url} {error}")


def unexpected_answer_error(url: str) -> EngineDown:
    """An answer that lacks what every engine sends, or has another form."""
    return EngineDown(f"What answers at {url} does not answer as a Docker engine does.")


def _root_cause(error: BaseException) -> BaseException:
    """The first cause: libraries wrap an `OSError` several times, in `args` or by chaining."""
    seen: set[int] = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "reason", None)
        wrapped = next((a for a in (inner, *reversed(error.args)) if isinstance(a, BaseException)), None)
        behind = None if error.__suppress_context__ else error.__context__  # `from None`: the message is for people
        error = wrapped or error.__cause__ or behind or error
    return error
