"""The life cycle of a deploy webhook, and what one may do."""

from __future__ import annotations

from apps.core.lifecycle import UPDATING_STATES, LifeCycle, transition_to

SCALE, UPGRADE, REDEPLOY = "scale", "upgrade", "redeploy"
TASKS = (SCALE, UPGRADE, REDEPLOY)

_ALIVE = "requested registering activating active deactivating inactive updating-active updating-inactive error"

DEPLOY_WEBHOOK = LifeCycle(
    "deployWebhook",
    {
        "create": transition_to("active", "", "registering"),
        "activate": transition_to("active", "inactive", "activating"),
        "deactivate": transition_to("inactive", "registering active activating updating-active", "deactivating"),
        "update": transition_to("", "active inactive updating-active updating-inactive", "updating-active"),
        "renewsecret": transition_to("", "active inactive updating-active updating-inactive", "updating-active"),
        "remove": transition_to("removed", _ALIVE, "removing"),
        "purge": transition_to("purged", "removed", "purging"),
    },
    also_transitional=frozenset({*UPDATING_STATES, "requested"}),
    # Undoing these would bring back a secret that somebody replaced because it had leaked.
    not_undone=frozenset({"renewsecret", "remove"}),
)
