"""The life cycle of catalogs: switched on and off like registries, and refreshed from where they come from."""

from __future__ import annotations

from dataclasses import replace

from apps.core.lifecycle import LifeCycle, default_lifecycle, transition_to

PERMISSION = "catalogs"


def _catalog() -> LifeCycle:
    base = default_lifecycle("catalog", PERMISSION, restore=False)
    table = dict(base.transitions)
    remove = table["remove"]
    # A catalog that is active may be removed at once: its stacks run on, and nothing on a host depends on it.
    table["remove"] = replace(
        remove, start=remove.start | {"active", "activating", "deactivating", "refreshing", "updating-active"}
    )
    table["refresh"] = transition_to(
        "", "active registering activating updating-active error", "refreshing", PERMISSION
    )
    table["update"] = replace(table["update"], start=table["update"].start | {"refreshing", "registering", "error"})
    table["deactivate"] = replace(table["deactivate"], start=table["deactivate"].start | {"refreshing", "error"})
    return LifeCycle("catalog", table, also_transitional=base.also_transitional, not_undone=frozenset({"remove"}))


CATALOG = _catalog()
