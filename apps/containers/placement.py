"""Choosing a host for a container: the hosts as the pure scheduler takes them, and its decision stored."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db import transaction

from apps.containers.models import Container
from apps.containers.selectors import Counts, counts_by_host
from apps.core.result import ReconcileResult
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.placement import (
    HostView,
    PlacementRequirements,
    Unplaced,
    choose_host,
)

RETRY_SECONDS = 5.0


def assign_host(row: Container) -> Host | ReconcileResult:
    """Give the row a host and return it, or the result that says why there is none.

    One placement at a time per environment, so that two containers never take the same port or crowd one host.
    """
    with transaction.atomic():
        row.environment = Environment.objects.select_for_update().get(pk=row.environment_id)
        hosts = {host.pk: host for host in Host.all_objects.filter(environment=row.environment_id, removed=None)}
        counts = counts_by_host(row.environment_id, row.spread_key)
        answer = choose_host(_requirements(row, counts), _host_views(row, list(hosts.values()), counts))
        if not isinstance(answer, Unplaced):
            Container.all_objects.filter(pk=row.pk).update(host=answer.host_id, placement=answer.trace)
            row.placement = answer.trace
            chosen: Host = hosts[answer.host_id]
            return chosen
    reasons = "; ".join(answer.reasons)
    return ReconcileResult(
        state=row.display_state,
        message=f"Scheduling failed: {reasons}",
        failed=row.attempts > 0,
        requeue_after=RETRY_SECONDS,
        fields={"placement": answer.trace},
    )


def _requirements(row: Container, counts: Counts) -> PlacementRequirements:
    return PlacementRequirements(
        ports=frozenset((p[0], p[1], p[2]) for p in row.fixed_ports),
        requested_host_id=row.requested_host_id,
        labels=dict(row.config.labels),
        avoid=frozenset({row.avoid_host_id} if row.avoid_host_id else set()),
        spread={key: alike for key, (_all, alike) in counts.items() if alike},
    )


def _host_views(row: Container, hosts: list[Host], counts: Counts) -> list[HostView]:
    """The hosts of an environment as the scheduler sees them for this row; ports only where it wants any."""
    ports = _ports_by_host(row.environment_id) if row.fixed_ports else {}
    return [
        HostView(
            id=host.pk,
            name=host.name or host.hostname or host.url,
            state=host.display_state,
            labels=host.all_labels,
            ports_used=frozenset(ports.get(host.pk, ())),
            containers=counts.get(host.pk, (0, 0))[0],
        )
        for host in hosts
    ]


def _ports_by_host(environment_id: int) -> dict[int, set[tuple[str, int, str]]]:
    """The fixed ports that containers of the environment hold or will hold, per host."""
    found: dict[int, set[tuple[str, int, str]]] = defaultdict(set)
    rows = (
        Container.all_objects.filter(environment=environment_id, removed=None, host__isnull=False)
        .exclude(desired__in=("removed", "stopped"))
        .exclude(fixed_ports=[])
    )
    for host_id, ports in rows.values_list("host", "fixed_ports"):
        found[host_id].update((p[0], p[1], p[2]) for p in ports)
    return found


def reassignment_fields(row: Container, why: str) -> dict[str, Any]:
    """The columns that return a kept container to the scheduler when its host cannot take it and another might."""
    others = Host.all_objects.filter(environment=row.environment_id, state="active", removed=None).exclude(
        pk=row.host_id
    )
    if row.external_id or row.requested_host_id or "port" not in why or not others.exists():
        return {}
    return {"host": None, "avoid_host": row.host}
