"""The life cycle of certificates (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, transition_to

CERTIFICATE = LifeCycle(
    "certificate",
    {
        "create": transition_to("active", "", "activating"),
        "update": transition_to("", "activating active updating-active error", "updating-active"),
        "remove": transition_to("removed", "requested activating active updating-active error", "removing", "delete"),
    },
    also_transitional=frozenset({"requested"}),
)
