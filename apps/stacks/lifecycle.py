"""The life cycles of stacks and services (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, step

STACK = LifeCycle(
    "environment",
    {
        "create": step("active", "", "activating"),
        "update": step("", "active updating-active", "updating-active"),
        "remove": step("removed", "requested activating active updating-active error", "removing", "delete"),
        "purge": step("purged", "removed", "purging", "delete"),
    },
    also_transitional=frozenset({"requested"}),
)

_ALIVE = "requested registering inactive activating active deactivating updating-active updating-inactive error"

SERVICE = LifeCycle(
    "service",
    {
        "create": step("inactive", "", "registering"),
        "activate": step("active", "inactive error", "activating"),
        "deactivate": step(
            "inactive", "registering active activating updating-active updating-inactive", "deactivating"
        ),
        "update": step(
            "", "registering inactive active activating updating-active updating-inactive", "updating-active"
        ),
        "remove": step("removed", _ALIVE, "removing", "delete"),
        "purge": step("purged", "removed", "purging", "delete"),
    },
    also_transitional=frozenset({"requested", "updating-inactive"}),
)
