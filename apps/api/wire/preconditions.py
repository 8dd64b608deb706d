"""Preconditions of requests: the generation of a row as its ETag, and `If-Match` on changes."""

from __future__ import annotations

import re
from typing import Any

from apps.core.edits import BasedOn, require_generation
from apps.core.errors import Problem
from apps.core.models import Managed

# Weak ones are taken too: proxies that compress make a strong tag weak on its way out.
_ETAG = re.compile(r'(?:W/)?"(\d{1,9})"', re.ASCII)


def etag_of(row: Any) -> str:
    """The ETag of a row: the generation of its desired state; empty for a type that has none."""
    return f'"{row.generation}"' if isinstance(row, Managed) else ""


def apply_precondition(row: Any, header: str, *, is_update: bool) -> None:
    """Have the change of `row` based on the generation that `If-Match` names; without the header, on any.

    An update is refused only for fields that somebody else changed meanwhile, anything else for any newer generation.
    Raises `StaleEdit`, or `Problem` (412) for a header that cannot match this row.
    """
    wanted = header.strip()
    if wanted in {"", "*"}:
        return
    found = _ETAG.fullmatch(wanted)
    if found is None or not isinstance(row, Managed):
        reason = "This type has no ETag; leave If-Match out."
        if isinstance(row, Managed):
            reason = f"If-Match takes the ETag of this row, such as {etag_of(row)}."
        raise Problem(reason, status=412, code="PreconditionFailed")
    row.based_on = BasedOn(int(found[1]))
    if not is_update:
        require_generation(row)
