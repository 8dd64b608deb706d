"""The life cycle of a build of an image: its context comes, it goes on, it ends; it can be stopped at any time."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, transition_to

PERMISSION = "images"
_UNDER_WAY = "requested waiting building"

IMAGE_BUILD = LifeCycle(
    "imageBuild",
    {
        "create": transition_to("built", "", "requested", PERMISSION),
        "sendcontext": transition_to("built", "requested waiting", "building", PERMISSION),
        "cancel": transition_to("cancelled", _UNDER_WAY, "cancelling", PERMISSION, end="error"),
        "remove": transition_to("removed", f"{_UNDER_WAY} cancelling built error", "removing", PERMISSION),
    },
    also_transitional=frozenset({"waiting"}),
)
