"""The life cycles of hosts and registration tokens (v1 contract, section 5)."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, generic, step

HOST = LifeCycle(
    "host",
    {
        "create": step("active", "", "registering", "hosts"),
        "activate": step("active", "inactive registering", "activating", "hosts"),
        "deactivate": step("inactive", "registering active activating reconnecting", "deactivating", "hosts"),
        "remove": step("removed", "requested inactive registering reconnecting error", "removing", "hosts"),
        "purge": step("purged", "removed", "purging", "hosts"),
        "update": step("", "active inactive reconnecting updating-active", "updating-active", "hosts"),
    },
    also_transitional=frozenset({"reconnecting", "requested", "updating-inactive"}),
)
TOKEN = generic("registrationToken", "hosts", restore=False)
