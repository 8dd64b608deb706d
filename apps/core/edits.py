"""Edits that start from what somebody saw: refused where somebody else changed the same thing meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apps.core.errors import Conflict

if TYPE_CHECKING:
    from apps.core.models import Managed

MAX_SHOWN = 120


@dataclass(frozen=True, slots=True)
class BasedOn:
    """What an edit started from: the generation of the row, and the values that were seen where they are known."""

    generation: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that somebody else changed: what it is now, and what this edit wants."""

    field: str
    current: Any
    wanted: Any


class StaleEdit(Conflict):
    """The edit started from something that is not there any more; `differences` has both values of each field."""

    status = 412
    code = "PreconditionFailed"

    def __init__(self, subject: str, differences: Sequence[Difference] = ()) -> None:
        self.differences = tuple(differences)
        both = "; ".join(
            f"{each.field} is {_shown(each.current)} now, you want {_shown(each.wanted)}" for each in self.differences
        )
        what = f"{subject} was changed by somebody else meanwhile"
        message = f"{what}: {both}." if both else f"{what}."
        names = {each.field for each in self.differences}
        super().__init__(
            f"{message} Read it again, then decide.",
            field=names.pop() if len(names) == 1 else None,
            detail=json.dumps({each.field: each.current for each in self.differences}, default=str)[:4096] or None,
        )


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def require_unchanged(
    subject: str, based_on: BasedOn | None, current: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise `StaleEdit` for every field of `wanted` that is not any more what the edit started from.

    A field that holds the wanted value already is no conflict, whoever put it there.
    """
    if based_on is None:
        return
    # Without the value that was seen, only the generation tells that the row moved: then any difference counts.
    differences = [
        Difference(name, current[name], value)
        for name, value in wanted.items()
        if name in current
        and current[name] != value
        and (name not in based_on.values or based_on.values[name] != current[name])
    ]
    if differences:
        raise StaleEdit(subject, differences)


def require_current(row: Managed, wanted: Mapping[str, Any]) -> None:
    """Raise `StaleEdit` when the row has moved on since the edit of `wanted` columns started (`row.based_on`)."""
    based_on = row.based_on
    if based_on is None or based_on.generation == row.generation:
        return
    # What every change sets anew comes from no form, so nobody can have seen another value of it.
    current = {name: getattr(row, name) for name in wanted if name not in row.CLEARED_BY_CHANGES}
    require_unchanged(row.name or row.KIND, based_on, current, wanted)


def require_generation(row: Managed) -> None:
    """Raise `StaleEdit` when the row is not of the generation that the caller saw, whatever changed."""
    if row.based_on is not None and row.based_on.generation != row.generation:
        raise StaleEdit(row.name or row.KIND)
