"""The life cycle of trust rules: they are in the database only, so that each state holds at once."""

from __future__ import annotations

from dataclasses import replace

from apps.core.lifecycle import default_lifecycle

_TABLE = default_lifecycle("trustRule", "keys", restore=False)

# Keys that it gave ended with the change; cancelling would bring back what a rule trusted, but none of them.
TRUST_RULE = replace(_TABLE, not_undone=frozenset({"activate", "deactivate", "remove", "update"}))
