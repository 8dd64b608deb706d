"""The life cycles of stacks and services (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, transition_to
from apps.stacks.remedies import SERVICE_REMEDIES, STACK_REMEDIES

_UPGRADE_STATES = (
    "upgrading upgraded canceling-upgrade canceled-upgrade rolling-back canceling-rollback finishing-upgrade"
)
REPLACEABLE = "upgrading upgraded canceled-upgrade"  # states of an upgrade that another one may replace
_STACK_ALIVE = f"requested activating active updating-active error {_UPGRADE_STATES}"

STACK = LifeCycle(
    "stack",
    {
        "create": transition_to("active", "", "activating"),
        "update": transition_to("", "active updating-active", "updating-active"),
        # What was wanted last replaces an upgrade that is not finished: nobody has to cancel a mistake first.
        "upgrade": transition_to(
            "active", f"activating active updating-active {REPLACEABLE}", "upgrading", end="upgraded"
        ),
        "cancelupgrade": transition_to("", "upgrading", "canceling-upgrade", end="canceled-upgrade"),
        "rollback": transition_to("", "canceled-upgrade upgraded", "rolling-back"),
        "cancelrollback": transition_to("", "rolling-back", "canceling-rollback", end="canceled-upgrade"),
        "finishupgrade": transition_to("", "upgraded canceled-upgrade", "finishing-upgrade"),
        "giveback": transition_to("removed", "active updating-active", "removing", "delete"),
        "remove": transition_to("removed", _STACK_ALIVE, "removing", "delete"),
        "restore": transition_to("", "removed", "restoring"),
        "purge": transition_to("purged", "removed", "purging", "delete"),
    },
    also_transitional=frozenset({"requested"}),
    not_undone=frozenset({"upgrade", "cancelupgrade", "rollback", "cancelrollback", "finishupgrade", "restore"}),
    remedies=STACK_REMEDIES,
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
        "upgrade": transition_to(
            "active",
            f"registering inactive activating active updating-active updating-inactive {REPLACEABLE}",
            "upgrading",
            end="upgraded",
        ),
        "cancelupgrade": transition_to("", "upgrading", "canceling-upgrade", end="canceled-upgrade"),
        "rollback": transition_to("", "canceled-upgrade upgraded", "rolling-back"),
        "cancelrollback": transition_to("", "rolling-back", "canceling-rollback", end="canceled-rollback"),
        "finishupgrade": transition_to("", "upgraded canceled-upgrade canceled-rollback", "finishing-upgrade"),
        "restart": transition_to("active", "active", "restarting"),
        "runnow": transition_to("", "active upgraded", "updating-active"),
        "remove": transition_to("removed", _ALIVE, "removing", "delete"),
        "restore": transition_to("", "removed", "restoring"),
        "purge": transition_to("purged", "removed", "purging", "delete"),
    },
    also_transitional=frozenset({"requested", "updating-inactive"}),
    not_undone=frozenset({"restore"}),
    remedies=SERVICE_REMEDIES,
)
