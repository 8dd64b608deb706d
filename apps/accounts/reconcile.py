"""How accounts and keys settle: nothing outside the database is involved, so the wish comes true at once."""

from __future__ import annotations

from apps.core.models import Managed
from apps.core.result import Result


def settle(row: Managed) -> Result:
    """The wish, seen."""
    return Result(state=row.desired)
