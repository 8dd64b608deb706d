"""The words in which audit entries were sealed: entries from before kinds had their own names used those of the v1 API.

Frozen with the entries that it describes: a chain is never sealed anew, so these words must not follow later renames.
"""

from __future__ import annotations

V1_FORMAT = 1
FORMAT = 2

# One word for each: `project` is no kind any more, but were it left as it is, an entry could be changed from
# `environment` to it without a trace.
_V1_KINDS = {"environment": "project", "stack": "environment", "project": "stack"}


def v1_kind(kind: str) -> str:
    """The kind as a format 1 entry was sealed with it."""
    return _V1_KINDS.get(kind, kind)


def v1_event(event: str) -> str:
    """The event as a format 1 entry was sealed with it."""
    kind, dot, action = event.partition(".")
    return f"{v1_kind(kind)}{dot}{action}"
