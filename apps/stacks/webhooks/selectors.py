"""Reads of deploy webhooks. Those of a deleted service are not there; they come back when it is restored."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from apps.environments.actor import Actor
from apps.stacks.models import Service
from apps.stacks.webhooks.models import DeployWebhook

_HEAVY = ("spec", "secondary", "metadata", "balancer", "stack__docker_compose", "stack__rancher_compose")


def deploy_webhooks_of(environment_ids: Iterable[int]) -> QuerySet[DeployWebhook]:
    """The webhooks of services in these environments, with whose they are and without their secrets."""
    rows: QuerySet[DeployWebhook] = DeployWebhook.objects.within(list(environment_ids))
    rows = rows.exclude(service__desired__in=("removed", "purged"))
    light = (*(f"service__{name}" for name in _HEAVY), "service__stack__variables", "secret")
    return rows.select_related("service__stack", "environment", "account").defer(*light)


def seen_deploy_webhooks(actor: Actor, environment_id: int) -> QuerySet[DeployWebhook]:
    """Those of one environment that are not removed, as far as the actor sees them."""
    mine = [environment_id] if "view" in actor.permissions(environment_id) else []
    return deploy_webhooks_of(mine).filter(removed=None)


def webhooks_of_service(row: Service) -> list[DeployWebhook]:
    """The webhooks of a service that are not removed, by name; whose page it is has been checked."""
    rows = DeployWebhook.all_objects.filter(service=row, removed=None).select_related("account").defer("secret")
    return list(rows.order_by("name", "pk"))


def receiver_path(row: DeployWebhook) -> str:
    """The path that it is called at, below the portal's URL."""
    return f"/v1-webhooks/{row.uuid}"
