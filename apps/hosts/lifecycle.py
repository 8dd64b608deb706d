"""The life cycles of hosts and registration tokens (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, default_lifecycle, transition_to

AWAY = frozenset({"reconnecting", "disconnected"})
"""The states of a host whose engine does not answer: what is known of it is what was observed last."""

_LOST = "reconnecting disconnected"
_PRESENT = f"registering active {_LOST}"

HOST = LifeCycle(
    "host",
    {
        "create": transition_to("active", "", "registering", "hosts"),
        "activate": transition_to("active", "inactive registering evacuating", "activating", "hosts"),
        "deactivate": transition_to("inactive", f"{_PRESENT} activating evacuating", "deactivating", "hosts"),
        "evacuate": transition_to("inactive", "active inactive updating-active", "evacuating", "hosts"),
        "remove": transition_to("removed", f"{_LOST} requested inactive registering error", "removing", "hosts"),
        "purge": transition_to("purged", "removed", "purging", "hosts"),
        # Placement takes `updating-active` for a usable host, so only an active one may show it.
        "update": transition_to(
            "", f"{_PRESENT} inactive error updating-active updating-inactive", "updating-inactive", "hosts"
        ),
    },
    also_transitional=frozenset({"reconnecting", "requested", "updating-active"}),
)
TOKEN = default_lifecycle("registrationToken", "hosts", restore=False)


def unreachable_state(lost_for: float, disconnected_after: float) -> str:
    """The state of a host that has not answered for `lost_for` seconds: disconnected once `disconnected_after` is
    over.
    """
    return "disconnected" if lost_for >= disconnected_after else "reconnecting"
