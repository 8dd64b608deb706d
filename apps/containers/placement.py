"""Choosing a host for a container: the hosts as the pure scheduler takes them, and its decision stored."""

from __future__ import annotations

import random
from typing import Any

from django.db import transaction

from apps.containers.deployment_units import unit_mates, unit_requirements
from apps.containers.fleet import own_labels, read_fleet, schedulable_hosts
from apps.containers.models import Container
from apps.containers.selectors import Counts, counts_by_host, find_container
from apps.control.load import LoadLevel, load_level_for
from apps.core.ids import row_number
from apps.core.result import ReconcileResult
from apps.environments.models import Environment
from apps.hosts.affinity import has_neighbour_rules
from apps.hosts.models import Host
from apps.hosts.placement import (
    PlacementRequirements,
    Unplaced,
    choose_host,
)

# A host that becomes fit requeues what waits for it anyway: what only now and then finds a freed port or memory must
# not fill a core, so the more of an environment's containers wait, the less often each is tried.
FIRST_RETRY, RETRY_SECONDS, RETRY_LATER, RETRY_AT_LEAST = 1.0, 5.0, 15.0, 300.0
TRIES_PER_SECOND = 8


def place(row: Container) -> Host | ReconcileResult:
    """Give the row a host, as `assign_host` does, unless the portal has too much to do already."""
    if load_level_for(row.environment_id) < LoadLevel.NO_PLACEMENTS:
        return assign_host(row)
    message = "The portal is overloaded: new containers are placed when it has caught up."
    return ReconcileResult(state=row.display_state, message=message, requeue_after=random.uniform(10.0, 30.0))  # noqa: S311 - spread


def assign_host(row: Container) -> Host | ReconcileResult:
    """Give the row a host and return it, or the result that says why there is none.

    One placement at a time per environment, so that two containers never take the same port or crowd one host. The
    members of a deployment unit get theirs together.
    """
    peers = find_peers(row)
    if isinstance(peers, ReconcileResult):
        return peers
    with transaction.atomic():
        row.environment = Environment.objects.select_for_update(no_key=True).get(pk=row.environment_id)
        hosts = schedulable_hosts(row.environment_id)
        counts = counts_by_host(row.environment_id, row.spread_key)
        mates = unit_mates(row)
        wanted = unit_requirements(requirements_of(row, counts, peers), mates)
        fleet = read_fleet(
            row.environment_id,
            hosts,
            counts,
            with_ports=bool(wanted.ports),
            with_neighbours=has_neighbour_rules(wanted.labels),
        )
        answer = choose_host(wanted, fleet)
        if not isinstance(answer, Unplaced):
            together = [row.pk, *(each.pk for each in mates if each.host_id is None)]
            Container.all_objects.filter(pk__in=together).update(host=answer.host_id, placement=answer.trace)
            row.placement = answer.trace
            chosen: Host = Host.all_objects.get(pk=answer.host_id)
            return chosen
    return _unplaced_result(row, "; ".join(answer.reasons), answer.trace)


def _unplaced_result(row: Container, reasons: str, trace: list[dict[str, Any]]) -> ReconcileResult:
    """No host fits: a standalone container shows an error, and is tried again when hosts change or now and then.

    One that a service keeps stays what it is, because the service would replace one in error.
    """
    failed = row.attempts > 0
    return ReconcileResult(
        state="error" if failed and not row.keep_running else row.display_state,
        message=f"Scheduling failed: {reasons}",
        failed=failed,
        is_retry=row.state == "error",
        requeue_after=_pause(row) if failed else FIRST_RETRY,
        fields={"placement": trace},
    )


def _pause(row: Container) -> float:
    """Seconds until what found no host is tried again: what a service keeps comes soon at first, then less often."""
    pause = RETRY_SECONDS * row.attempts
    if row.keep_running and pause < RETRY_LATER:
        return pause
    waiting = Container.all_objects.filter(environment=row.environment_id, host=None, removed=None).count()
    return max(RETRY_LATER, min(waiting / TRIES_PER_SECOND, RETRY_AT_LEAST))


def find_peers(row: Container) -> dict[str, int] | ReconcileResult:
    """The hosts of the containers whose volumes or network this one takes, by their names, once they have one."""
    config = row.config
    found: dict[str, int] = {}
    peers = [config.network_container_id] if config.network_container_id else []
    for reference in (*config.data_volumes_from, *peers):
        peer = find_container(row.environment_id, reference)
        if peer is None or peer.removed is not None or peer.removal_requested:
            return _unplaced_result(row, f"the container {reference} whose volumes or network it takes is gone", [])
        if peer.host_id is None:
            return _peer_unplaced_result(row, peer)
        found[peer.name] = peer.host_id
    return found


def _peer_unplaced_result(row: Container, peer: Container) -> ReconcileResult:
    what = f"{peer.name}, whose volumes or network it takes,"
    if peer.display_state == "error":
        return _unplaced_result(row, f"{what} has no host ({peer.message})", [])
    return ReconcileResult(state=row.display_state, message=f"Waits for {what} to have a host.", requeue_after=1.0)


def requirements_of(row: Container, counts: Counts, peers: dict[str, int]) -> PlacementRequirements:
    """What a container needs of its host."""
    return PlacementRequirements(
        ports=frozenset((p[0], p[1], p[2]) for p in row.fixed_ports),
        requested_host_id=_requested_host_id(row),
        peer_hosts=peers,
        labels=own_labels(row),
        avoid=frozenset({row.avoid_host_id} if row.avoid_host_id else set()),
        spread={key: use.alike for key, use in counts.items() if use.alike},
        memory=row.reserved_memory,
        milli_cpu=row.reserved_milli_cpu,
        names=frozenset({row.name, str(row.uuid)}),
    )


def _requested_host_id(row: Container) -> int | None:
    """The host asked for; one that is gone by now fits none, rather than any."""
    asked = row.config.requested_host_id
    return row.requested_host_id or (None if asked is None else row_number(asked) or 0)


def reassignment_fields(row: Container, why: str) -> dict[str, Any]:
    """The columns that return a kept container to the scheduler when its host cannot take it and another might."""
    others = Host.all_objects.filter(environment=row.environment_id, state="active", removed=None).exclude(
        pk=row.host_id
    )
    if row.external_id or row.requested_host_id or "port" not in why or not others.exists():
        return {}
    if unit_mates(row):  # it cannot leave its unit, and the others may run already
        return {}
    return {"host": None, "avoid_host": row.host}
