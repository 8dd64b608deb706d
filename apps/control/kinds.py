"""The kinds of rows that the loop reconciles, and which other rows each of them requeues."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.core.result import ReconcileResult

Reconcile = Callable[[Any], ReconcileResult]
Owners = Callable[[Any], Iterable[tuple[str, int]]]

Deadline = float | Callable[[Mapping[str, Any]], float]  # seconds, or what they are by what was requested

DEADLINE = 600.0


@dataclass
class Kind:
    """What the loop knows of one kind of row."""

    name: str
    model: Any
    reconcile: Reconcile
    deadline: float = DEADLINE
    operation_deadlines: Mapping[str, Deadline] = field(default_factory=dict)
    owners: list[Owners] = field(default_factory=list)
    restore_setting: str = ""

    def deadline_of(self, name: str, request: Mapping[str, Any]) -> float:
        """How many seconds the operation of this name may take that was requested like this."""
        found = self.operation_deadlines.get(name, self.deadline)
        return found(request) if callable(found) else found


KINDS: dict[str, Kind] = {}


def register(
    model: Any,
    reconcile: Reconcile,
    *,
    deadline: float = DEADLINE,
    operation_deadlines: Mapping[str, Deadline] | None = None,
) -> None:
    """Have the loop reconcile a kind; `deadline` is how many seconds an operation may take before it counts as failed.

    `operation_deadlines` has other deadlines by operation name, for those that wait for something slow.
    """
    KINDS[model.KIND] = Kind(model.KIND, model, reconcile, deadline, dict(operation_deadlines or {}))


def keep_removed(kind: str, setting: str) -> None:
    """Keep the removed rows of `kind`, to be restored, for as many days as the setting of this name says."""
    KINDS[kind].restore_setting = setting


def requeue_owners(kind: str, owners: Owners) -> None:
    """Requeue `owners(row)` whenever a row of `kind` comes to rest, fails or is gone."""
    KINDS[kind].owners.append(owners)
