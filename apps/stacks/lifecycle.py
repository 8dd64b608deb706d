"""The life cycles of stacks and services (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, transition_to

STACK = LifeCycle(
    "stack",
    {
        "create": transition_to("active", "", "activating"),
        "update": transition_to("", "active updating-active", "updating-active"),
        "remove": transition_to("removed", "requested activating active updating-active error", "removing", "delete"),
        "purge": transition_to("purged", "removed", "purging", "delete"),
    },
    also_transitional=frozenset({"requested"}),
)

_ALIVE = (
    "requested registering inactive activating active deactivating updating-active updating-inactive error "
    "upgrading upgraded canceling-upgrade canceled-upgrade rolling-back canceling-rollback canceled-rollback "
    "finishing-upgrade restarting"
)

SERVICE = LifeCycle(
    "service",
    {
        "create": transition_to("inactive", "", "registering"),
        "activate": transition_to("active", "inactive restarting error", "activating"),
        "deactivate": transition_to(
            "inactive", "registering active activating restarting updating-active updating-inactive", "deactivating"
        ),
        "update": transition_to(
            "", "registering inactive active activating updating-active updating-inactive", "updating-active"
        ),
        "upgrade": transition_to("active", "active inactive", "upgrading", end="upgraded"),
        "cancelupgrade": transition_to("", "upgrading", "canceling-upgrade", end="canceled-upgrade"),
        "rollback": transition_to("", "canceled-upgrade upgraded", "rolling-back"),
        "cancelrollback": transition_to("", "rolling-back", "canceling-rollback", end="canceled-rollback"),
        "finishupgrade": transition_to("", "upgraded canceled-upgrade canceled-rollback", "finishing-upgrade"),
        "restart": transition_to("active", "active", "restarting"),
        "runnow": transition_to("", "active upgraded", "updating-active"),
        "remove": transition_to("removed", _ALIVE, "removing", "delete"),
        "purge": transition_to("purged", "removed", "purging", "delete"),
    },
    also_transitional=frozenset({"requested", "updating-inactive"}),
)
