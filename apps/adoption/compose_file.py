"""The compose file of what runs: of a plan, as one of a stack would be written."""

from __future__ import annotations

from dataclasses import replace

from apps.adoption.plan import AdoptionPlan
from apps.stacks.compose import ComposeService, export


def compose_file(plan: AdoptionPlan) -> str:
    """The docker-compose text of a plan, which names the networks and volumes that are there."""
    services = [
        ComposeService(
            name=each.name,
            config=replace(each.config, requested_host_id=None),
            scale=len(each.containers),
            links=tuple(each.links),
            networks=each.networks,
        )
        for each in plan.services
    ]
    return export(services, plan.project)[0]
