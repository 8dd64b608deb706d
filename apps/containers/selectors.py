"""Reads of containers for the API, the console and the loop."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Q, QuerySet, Sum

from apps.containers.models import Container, ContainerEvent, HostPolicy
from apps.containers.policy import PERMISSIVE, RESTRICTED, Policy
from apps.core.defaults import setting
from apps.core.ids import row_number
from apps.environments.actor import Actor
from apps.hosts.models import Host
from apps.hosts.selectors import address_of, is_local_engine

_ANY_ADDRESS = {"", "0.0.0.0", "::"}  # noqa: S104
Counts = dict[int, "HostUse"]


class HostUse(NamedTuple):
    """What is on a host: containers in all, those of one service, and what they reserve."""

    containers: int = 0
    alike: int = 0
    memory: int = 0
    milli_cpu: int = 0


def containers_of(actor: Actor, environment_id: int) -> QuerySet[Container]:
    """The containers of one environment that are not removed, with their hosts."""
    mine = [key for key in [environment_id] if "view" in actor.permissions(key)]
    rows: QuerySet[Container] = Container.objects.within(mine).filter(removed=None).select_related("host")
    return rows


def counts_by_host(environment_id: int, spread_key: str = "", *, starting: Collection[int] = ()) -> Counts:
    """By host: the containers that are not being removed, those of them with this spread key, and what they reserve.

    What is stopped reserves nothing, or an upgrade that keeps the old containers would need a host twice as big; but
    for those of the keys in `starting`, which are to run.
    """
    rows = Container.all_objects.filter(environment=environment_id, removed=None, host__isnull=False).exclude(
        desired="removed"
    )
    alike = Count("pk", filter=Q(spread_key=spread_key) & ~Q(spread_key=""))
    reserved = {
        name: Sum(column, filter=~Q(desired="stopped") | Q(pk__in=starting), default=0)
        for name, column in (("memory", "reserved_memory"), ("cpu", "reserved_milli_cpu"))
    }
    counted = rows.values_list("host").annotate(everything=Count("pk"), same=alike, **reserved).order_by()
    return {host: HostUse(*counts) for host, *counts in counted}


def container_ids_on(host: Host) -> dict[str, int]:
    """The rows of what runs on a host, by the engine's ids."""
    rows = Container.all_objects.filter(host=host, removed=None).exclude(external_id="")
    return dict(rows.values_list("external_id", "pk"))


def endpoints(row: Container) -> list[dict[str, Any]]:
    """Where the container's published ports are reached: address, port, host and container keys."""
    host: Host | None = row.host
    if host is None or row.display_state not in {"running", "restarting", "stopping"}:
        return []
    return [
        {
            "ipAddress": port["address"] if port["address"] not in _ANY_ADDRESS else address_of(host),
            "port": port["public"],
            "private": port["private"],
            "protocol": port["protocol"],
            "host": host.pk,
            "container": row.pk,
            "isPortalHost": port["address"] in _ANY_ADDRESS and is_local_engine(host),
        }
        for port in row.engine_state.get("ports", [])
        if port.get("public") and port["address"] != "::"
    ]


def containers_of_addresses(holders: Iterable[int | None]) -> dict[int, str]:
    """The names of the containers that have addresses, by their keys."""
    keys = {key for key in holders if key is not None}
    return dict(Container.all_objects.filter(pk__in=keys).values_list("pk", "name")) if keys else {}


def is_running(row: Container) -> bool:
    """Whether it is known to run now: what was last seen running on a lost host may have ended since."""
    return row.display_state == "running" and (row.host is None or row.host.lost_at is None)


def running_filter(prefix: str = "") -> Q:
    """`is_running` as a condition in the database; `prefix` leads to the container."""
    return Q(**{f"{prefix}display_state": "running", f"{prefix}host__lost_at": None})


def does_its_work(row: Container) -> bool:
    """Whether it runs, or ran once and has ended well."""
    return is_running(row) or row.final_exit_code == 0


def working_filter(prefix: str = "") -> Q:
    """`does_its_work` as a condition in the database; `prefix` leads to the container."""
    return running_filter(prefix) | ended_filter(prefix) & Q(**{f"{prefix}status__final_exit_code": 0})


def ended_filter(prefix: str = "") -> Q:
    """`is_finished` as a condition in the database; `prefix` leads to the container."""
    desired, code = f"{prefix}desired", f"{prefix}status__final_exit_code__isnull"
    by_stop = Q(**{f"{prefix}is_ended_by_stop": True})
    has_ended = (Q(**{desired: "running"}) | by_stop) & Q(**{code: False})
    return has_ended | by_stop & Q(**{f"{prefix}display_state": "stopped"})


def events_of(row: Container) -> QuerySet[ContainerEvent]:
    """What was done to keep a container going, the newest first; whoever may see it may see that."""
    return ContainerEvent.objects.filter(container=row)


def last_seen(row: Container) -> datetime | None:
    """When the portal last saw the container as it is shown; None if it never did.

    A reconcile of its host confirms all that the engine is known to hold. While the engine does not answer, neither
    does a reconcile of the container see anything, and nothing is newer than the host's last answer.
    """
    host = row.host
    if host is None or host.seen_at is None:
        return row.observed_at
    if not host.is_responding:
        return host.seen_at if row.external_id else None
    if not row.external_id or (row.observed_at and row.observed_at > host.seen_at):
        return row.observed_at
    return host.seen_at


def find_container(environment_id: int, reference: str) -> Container | None:
    """The container that a stored v1 id means, for the loop."""
    return Container.all_objects.filter(pk=row_number(reference) or 0, environment=environment_id).first()


def policy_default() -> Policy:
    """The host policy of environments for which nobody decided anything."""
    return PERMISSIVE if setting("host.policy.default") == "permissive" else RESTRICTED


def policy_of(environment_id: int) -> Policy:
    """The host policy in force in an environment."""
    return policies_of([environment_id])[environment_id][0]


def policies_of(environment_ids: Iterable[int]) -> dict[int, tuple[Policy, HostPolicy | None]]:
    """The host policy in force in each environment, and the decision that it comes from, if there was one."""
    keys = list(environment_ids)
    rows: dict[int, HostPolicy] = HostPolicy.objects.in_bulk(keys)
    default = policy_default() if len(rows) < len(keys) else RESTRICTED
    return {key: (Policy.from_json(rows[key].rules), rows[key]) if key in rows else (default, None) for key in keys}


def containers_awaiting_host(row: Host) -> Iterable[tuple[str, int]]:
    """The containers that wait for a host, when one has become fit for them."""
    if row.desired != "active" or row.display_state == "active":
        return []
    waiting = Container.all_objects.filter(environment=row.environment_id, host=None, removed=None)
    return [("container", key) for key in waiting.exclude(desired="removed").values_list("pk", flat=True)]
