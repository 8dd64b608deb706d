"""The life cycle of the check of an environment's hosts: made with its first run, then run again."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, transition_to

CHECKING, CHECKED = "checking", "checked"

NETWORK_CHECK = LifeCycle(
    "networkCheck",
    {
        "create": transition_to(CHECKED, "", CHECKING, "operate"),
        "run": transition_to(CHECKED, "checked checking error", CHECKING, "operate"),
    },
    also_transitional=frozenset({"requested"}),
)
