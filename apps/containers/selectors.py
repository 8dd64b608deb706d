"""Reads of containers: what faces and the loop ask about them."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet

from apps.containers.models import Container
from apps.environments.access import Actor
from apps.hosts.models import Host
from apps.hosts.selectors import address_of


def containers_of(actor: Actor, environment_id: int) -> QuerySet[Container]:
    """The containers of one environment that are not removed, with their hosts."""
    mine = [key for key in [environment_id] if "view" in actor.permissions(key)]
    rows: QuerySet[Container] = Container.objects.within(mine).filter(removed=None).select_related("host")
    return rows


def counts_by_host(environment_id: int) -> dict[int, int]:
    """How many containers that are not leaving stand on each host."""
    rows = Container.all_objects.filter(environment=environment_id, removed=None, host__isnull=False).exclude(
        desired="removed"
    )
    return dict(rows.values_list("host").annotate(Count("pk")).order_by())


def endpoints(row: Container) -> list[dict[str, Any]]:
    """Where the container's published ports are reached: address, port, host and container keys."""
    host: Host | None = row.host
    if host is None or row.shown not in {"running", "restarting", "stopping"}:
        return []
    return [
        {
            "ipAddress": port["address"] if port["address"] not in {"", "0.0.0.0", "::"} else address_of(host),  # noqa: S104
            "port": port["public"],
            "private": port["private"],
            "protocol": port["protocol"],
            "host": host.pk,
            "container": row.pk,
        }
        for port in row.engine_state.get("ports", [])
        if port.get("public") and port["address"] != "::"
    ]
