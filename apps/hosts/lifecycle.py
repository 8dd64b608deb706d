"""The life cycles of hosts and registration tokens (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, generic, step

AWAY = frozenset({"reconnecting", "disconnected"})
"""The states of a host whose engine cannot be asked just now: what is known of it is what was seen last."""

_LOST = "reconnecting disconnected"
_HERE = f"registering active {_LOST}"

HOST = LifeCycle(
    "host",
    {
        "create": step("active", "", "registering", "hosts"),
        "activate": step("active", "inactive registering evacuating", "activating", "hosts"),
        "deactivate": step("inactive", f"{_HERE} activating evacuating", "deactivating", "hosts"),
        "evacuate": step("inactive", "active inactive updating-active", "evacuating", "hosts"),
        "remove": step("removed", f"{_LOST} requested inactive registering error", "removing", "hosts"),
        "purge": step("purged", "removed", "purging", "hosts"),
        # Only a host at work shows `updating-active`, which the scheduler takes for fit.
        "update": step("", f"{_HERE} inactive error updating-active updating-inactive", "updating-inactive", "hosts"),
    },
    also_transitional=frozenset({"reconnecting", "requested", "updating-active"}),
)
TOKEN = generic("registrationToken", "hosts", restore=False)


def away(lost_for: float, patience: float) -> str:
    """The state of a host that has not answered for `lost_for` seconds: disconnected once `patience` is over."""
    return "disconnected" if lost_for >= patience else "reconnecting"
