"""How a simulated engine refuses: with the real engine's HTTP status and message."""

from __future__ import annotations


class EngineApiError(Exception):
    """An answer with an error's HTTP status; `str()` is its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def bad_request(message: str) -> EngineApiError:
    """The request itself is wrong."""
    return EngineApiError(400, message)


def not_found(message: str) -> EngineApiError:
    """The engine has no such object."""
    return EngineApiError(404, message)


def conflict(message: str) -> EngineApiError:
    """The engine's state forbids it now."""
    return EngineApiError(409, message)
