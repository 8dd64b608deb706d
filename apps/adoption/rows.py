"""The rows of containers that are adopted: held while they change hands, and what they then have of a service."""

from __future__ import annotations

from apps.adoption.plan import AdoptionPlan
from apps.containers.models import Container
from apps.core.errors import Conflict

TAKEABLE = frozenset({"running", "stopped", "updating-running", "updating-stopped"})

# What a container has of the service that it belongs to.
CONTAINER_COLUMNS = (
    "spec",
    "image",
    "network_check",
    "fixed_ports",
    "reserved_memory",
    "reserved_milli_cpu",
    "keep_running",
    "spread_key",
    "aliases",
    "tags",
    "slot_key",
    "networks",
    "deployment_unit",
    "launch_name",
)


def lock_containers(plan: AdoptionPlan) -> dict[int, Container]:
    """The rows of a plan's containers, held until the transaction ends. Raises `Conflict` for others than planned."""
    keys = [each.key for each in plan.containers]
    rows = Container.all_objects.select_for_update(no_key=True).filter(pk__in=keys, removed=None)
    found = {row.pk: row for row in rows.order_by("pk")}
    for each in plan.containers:
        row = found.get(each.key)
        if row is None or row.external_id != each.engine_id or row.spread_key or row.keep_running:
            raise Conflict(f"{each.name} was changed by somebody else just now; look again and retry.")
        if row.display_state not in TAKEABLE:
            raise Conflict(f"{each.name} is {row.display_state} just now; wait until it has settled and retry.")
    return found
