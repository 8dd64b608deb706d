"""The life cycle of an environment (v1 contract, section 5; removing an active one is one step, not two)."""

from __future__ import annotations

from dataclasses import replace

from apps.core.lifecycle import LifeCycle, default_lifecycle, transition_to

_GENERIC = default_lifecycle("environment", "own")
ENVIRONMENT: LifeCycle = replace(
    _GENERIC,
    transitions={
        **_GENERIC.transitions,
        "remove": transition_to(
            "removed", "requested registering active deactivating inactive error", "removing", "own"
        ),
    },
)
