"""Health checks over the network: what is to be checked on a host, and what was found there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import Count, Max, Sum

from apps.containers.models import Container
from apps.control.queue import enqueue
from apps.core.texts import strip_unstorable
from apps.drivers.base import EngineContainer

_STATES = frozenset({"initializing", "healthy", "unhealthy", "unchecked"})
TARGET = "check_target"  # in the status of a container with a check: where it is made
_WORST_LAST = ("", "healthy", "initializing", "unhealthy")


def versions() -> dict[int, str]:
    """Of each host with checks a text that changes whenever they might have changed."""
    rows = Container.all_objects.filter(network_check__isnull=False, removed=None, host__isnull=False).order_by()
    found = rows.values_list("host").annotate(Count("pk"), Max("observed_at"), Sum("start_count"))
    return {host: f"{count} {at} {starts}" for host, count, at, starts in found}


def checks_on(host_id: int) -> list[dict[str, Any]]:
    """The checks of a host's running containers, as the document says them."""
    rows = Container.all_objects.filter(network_check__isnull=False, removed=None, host=host_id, state="running")
    rows = rows.exclude(desired__in=("removed", "purged"))
    fields = ("uuid", "network_check", "check_report", "start_count", "status")
    return [_check_of(row, row.status[TARGET]) for row in rows.only(*fields) if row.status.get(TARGET)]


def _check_of(row: Container, target: Mapping[str, str]) -> dict[str, Any]:
    wire, run = row.network_check or {}, str(row.status.get("started_at") or "")
    timeout = "initializingTimeout" if row.start_count <= 1 else "reinitializingTimeout"
    same_run = row.check_report.get("run") == run
    return {
        "id": str(row.uuid),
        "run": run,
        "address": target["address"],
        "subnet": target["subnet"],
        "port": wire["port"],
        "request": wire.get("requestLine") or "",
        "interval": max(100, wire["interval"]),
        "timeout": wire["responseTimeout"],
        "healthyThreshold": wire["healthyThreshold"],
        "unhealthyThreshold": wire["unhealthyThreshold"],
        "initializing": wire[timeout],
        "last": row.check_report.get("state", "") if same_run else "",
    }


def store_reports(host_id: int, reports: Mapping[str, Any]) -> None:
    """Keep what was found, and requeue the containers of which it is news. Reports are not trusted to be well made."""
    by_uuid = {}
    for key, found in reports.items():
        with suppress(ValueError):
            by_uuid[UUID(key)] = found
    rows = Container.all_objects.filter(network_check__isnull=False, removed=None, host=host_id, uuid__in=by_uuid)
    for row in rows.only("pk", "uuid", "check_report"):
        found = _read_report(by_uuid[row.uuid])
        if found is None or found == row.check_report:
            continue
        Container.all_objects.filter(pk=row.pk).update(check_report=found)
        enqueue("container", row.pk)


def _read_report(found: Any) -> dict[str, str] | None:
    if not isinstance(found, dict) or found.get("state") not in _STATES:
        return None
    return {
        "state": str(found["state"]),
        "run": str(strip_unstorable(str(found.get("run", ""))))[:64],
        "reason": str(strip_unstorable(str(found.get("reason", ""))))[:200],
    }


def combined_health(row: Container, seen: EngineContainer, engine_health: str, target: Mapping[str, str]) -> str:
    """The health of a container: the worse of what the engine's own check says and what the one over the network does.

    What nobody can check counts as if it had no check: it runs, and more is not known.
    """
    report = row.check_report
    if row.network_check is None or seen.state != "running" or not target or report.get("state") == "unchecked":
        return engine_health
    found = report["state"] if report.get("run") == seen.started_at else "initializing"
    return max(engine_health, found, key=_WORST_LAST.index)


def reason_in_brackets(row: Container) -> str:
    """Why the check over the network fails, to be put behind the fact that it does; empty when it says no reason."""
    reason = row.check_report.get("reason", "") if row.check_report.get("state") == "unhealthy" else ""
    return f" ({reason})" if reason else ""


def check_target(row: Container, seen: EngineContainer) -> dict[str, str]:
    """The address to be checked and the network it is in; empty without a check, or an address of its own or lent."""
    if row.network_check is None:
        return {}
    if own := _first_address(seen):
        return own
    kind, _, lender_id = str((seen.raw.get("HostConfig") or {}).get("NetworkMode", "")).partition(":")
    if kind != "container" or not lender_id:
        return {}
    lender = Container.all_objects.filter(environment=row.environment_id, external_id=lender_id, removed=None).first()
    if lender is None or not lender.address:
        return {}
    return {"address": lender.address, "subnet": lender.engine_state.get("subnet") or ""}


def _first_address(seen: EngineContainer) -> dict[str, str]:
    address = next((each for each in seen.networks.values() if each), "")
    return {"address": address, "subnet": subnet_of(seen)} if address else {}


def subnet_of(seen: EngineContainer) -> str:
    """The network that the container's first address is in; empty when the engine does not say."""
    networks = (seen.raw.get("NetworkSettings") or {}).get("Networks") or {}
    for found in networks.values():
        if isinstance(found, dict) and found.get("IPAddress") and found.get("IPPrefixLen"):
            return f"{found['IPAddress']}/{found['IPPrefixLen']}"
    return ""


def unchecked_reason(row: Container) -> str:
    """Why nobody makes the container's check; empty while somebody does, or it has none."""
    if row.network_check is None or row.display_state != "running":
        return ""
    if not row.status.get(TARGET):
        return "It has no address that could be checked, as in the network of its host."
    return str(row.check_report.get("reason", "")) if row.check_report.get("state") == "unchecked" else ""
