"""What one reconcile found, and what a change revoked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """The observed state that one reconcile returns.

    `state` is where the row is now; a transitional one means that it must be reconciled again, in `requeue_after`
    seconds at the latest. `failed` ends the running operation with `message`; the row is still reconciled again when
    `requeue_after` is set. `is_retry` says that this was another attempt at what had failed, and so changes the failed
    operation too. `fields` are further observed columns of the model, `progress` is 0 to 100, `notes` are the steps
    done, in words for people.
    """

    state: str
    status: Mapping[str, Any] | None = None
    message: str = ""
    requeue_after: float | None = None
    failed: bool = False
    is_retry: bool = False
    progress: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def percent(done: int, total: int) -> int:
    """How much of `total` is done, from 0 to 100 whatever the counts: more may run than are wanted, or be left."""
    return min(max(100 * done // max(total, 1), 0), 100)


@dataclass(frozen=True, slots=True)
class RevokedCounts:
    """What a change revoked: open sockets, sessions, and keys (other than the one changed)."""

    sockets: int = 0
    sessions: int = 0
    keys: int = 0

    def __bool__(self) -> bool:
        return bool(self.sockets or self.sessions or self.keys)

    def __add__(self, other: RevokedCounts) -> RevokedCounts:
        return RevokedCounts(self.sockets + other.sockets, self.sessions + other.sessions, self.keys + other.keys)
