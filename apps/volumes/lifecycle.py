"""The life cycles of volumes and of the storage pools they are in (v1 contract, section 5); pure."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, transition_to

VOLUME = LifeCycle(
    "volume",
    {
        "create": transition_to("inactive", "", "registering", "operate"),
        "remove": transition_to("removed", "requested registering inactive active error", "removing", "delete"),
        "purge": transition_to("purged", "removed", "purging", "delete"),
    },
    also_transitional=frozenset({"requested"}),
)

STORAGE_POOL = LifeCycle(
    "storagePool",
    {"create": transition_to("active", "", "activating", "hosts")},
    also_transitional=frozenset({"requested"}),
)
