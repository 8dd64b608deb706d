"""How a simulated engine refuses: by the engine's own status and words."""

from __future__ import annotations


class Refusal(Exception):
    """An answer with an error's HTTP status; `str()` is its message."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


def bad(words: str) -> Refusal:
    """The request itself is wrong."""
    return Refusal(400, words)


def missing(words: str) -> Refusal:
    """There is no such thing."""
    return Refusal(404, words)


def conflict(words: str) -> Refusal:
    """It cannot be done now."""
    return Refusal(409, words)
