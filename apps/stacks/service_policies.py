"""What becomes of the policies of a service: how many containers fit, when it runs, how its upgrades are judged."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from apps.stacks.goal import POLICY_SCALE
from apps.stacks.models import Service
from apps.stacks.new_services import check_scale_policy, check_verdict
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
    if "schedule" in changes:
        found["schedule"] = changed_schedule(row, changes["schedule"])
    changed = copy(row)
    for name, value in found.items():
        setattr(changed, name, value)
    check_schedulable(changed)
    return found
