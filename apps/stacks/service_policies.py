"""What becomes of the policies of a service: how many containers fit, when it runs, how its upgrades are judged."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from apps.environments.actor import Actor
from apps.stacks.goal import POLICY_SCALE
from apps.stacks.models import Service
from apps.stacks.new_services import check_scale_policy, check_update_policy, check_verdict
from apps.stacks.scheduled_services import changed_schedule, check_schedulable


def changed_policies(row: Service, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the policies that were sent, which must go with the rest of the service. Raises `Invalid`."""
    found: dict[str, Any] = {}
    if "scale_policy" in changes:
        found["scale_policy"] = check_scale_policy(changes["scale_policy"], row.config)
        if row.scale_policy and not found["scale_policy"] and "scale" not in changes:
            found["scale"] = int(row.status.get(POLICY_SCALE, row.scale))  # as many as there are stay
    if "verdict_settings" in changes:
        found["verdict_settings"] = check_verdict(changes["verdict_settings"])
    if "update_policy" in changes:
        found["update_policy"] = check_update_policy(changes["update_policy"])
    if "schedule" in changes:
        found["schedule"] = changed_schedule(row, changes["schedule"])
    changed = copy(row)
    for name, value in found.items():
        setattr(changed, name, value)
    check_schedulable(changed)
    return found


def by_actor(row: Service, actor: Actor) -> Service:
    """A new service whose policy for newer images, if it has one, is the actor's decision."""
    row.update_policy_by = actor.user if row.update_policy else None
    return row


def columns_by_actor(columns: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """The columns of a change, with whose decision the policy for newer images is where it is among them."""
    return {**columns, "update_policy_by": actor.user} if "update_policy" in columns else dict(columns)
