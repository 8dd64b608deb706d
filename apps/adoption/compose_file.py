"""The compose file of a plan: of what runs, as one of a stack would be written; of an imported stack its own."""

from __future__ import annotations

from dataclasses import replace

from apps.adoption.plan import AdoptionPlan
from apps.stacks.compose import ComposeService, export
from apps.stacks.models import Stack


def compose_file(plan: AdoptionPlan) -> str:
    """The docker-compose text of a plan, which names the networks and volumes that are there.

    An imported stack goes on by the file that it was imported with.
    """
    if plan.stack is not None:
        return str(Stack.all_objects.values_list("docker_compose", flat=True).get(pk=plan.stack))
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
