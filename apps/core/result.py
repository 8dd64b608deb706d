"""What one look of the loop found, and what a change took from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """The sighting of one look.

    `state` is where the row is now; a transitional one means that more looks are needed, the next in `requeue_after`
    seconds at the latest. `failed` ends the running operation with `message`; the row still keeps being looked at
    when `requeue_after` is set. `is_retry` says that this look was one more try of what had failed: its operation is
    told how that went. `fields` are further sighting columns of the model, `progress` is 0 to 100, `notes` are what
    was done, in words for people who watch.
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


@dataclass(frozen=True, slots=True)
class RevokedCounts:
    """What lost its right by a change: open sockets, log-in sessions, and keys (other than the one changed)."""

    sockets: int = 0
    sessions: int = 0
    keys: int = 0

    def __bool__(self) -> bool:
        return bool(self.sockets or self.sessions or self.keys)

    def __add__(self, other: RevokedCounts) -> RevokedCounts:
        return RevokedCounts(self.sockets + other.sockets, self.sessions + other.sessions, self.keys + other.keys)
