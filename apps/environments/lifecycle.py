"""The life cycle of an environment (v1 contract, section 5; removing an active one is one step, not two)."""

from __future__ import annotations

from dataclasses import replace

from apps.core.lifecycle import LifeCycle, generic, step

_GENERIC = generic("project", "own")
ENVIRONMENT: LifeCycle = replace(
    _GENERIC,
    transitions={
        **_GENERIC.transitions,
        "remove": step("removed", "requested registering active deactivating inactive error", "removing", "own"),
    },
)
