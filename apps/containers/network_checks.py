"""Health checks over the network: what is to be checked on a host, and what was found there."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.utils import timezone

from apps.containers.check_sharing import TARGET, CheckingFleet, containers_checked_by, fleet_of_host, take_report
from apps.containers.health_quorum import JointReport, ReportedHealth
from apps.containers.models import Container
from apps.core.texts import strip_unstorable
from apps.drivers.base import EngineContainer

_STATES = frozenset({"initializing", "healthy", "unhealthy", "unchecked"})
_WORST_LAST = ("", "healthy", "initializing", "unhealthy")


def checks_on(host_id: int) -> list[dict[str, Any]]:
    """The checks that a host makes, of its own containers and of others', as the document says them."""
    return [_check_of(row, host_id) for row in containers_checked_by(host_id)]


def _check_of(row: Container, host_id: int) -> dict[str, Any]:
    wire, run = row.network_check or {}, str(row.status.get("started_at") or "")
    target: Mapping[str, str] = row.status[TARGET]
    timeout = "initializingTimeout" if row.start_count <= 1 else "reinitializingTimeout"
    joint = JointReport.from_json(row.check_report)
    known = (joint.by_host or {}).get(host_id) or ReportedHealth(joint.state, joint.run)
    return {
        "id": str(row.uuid),
        "run": run,
        "address": target["address"],
        "subnet": target["subnet"],
        **check_settings(wire, timeout),
        "last": known.state if known.run == run else "",
    }


def check_settings(wire: Mapping[str, Any], timeout: str = "initializingTimeout") -> dict[str, Any]:
    """How a check is made, as the document says it, of v1's `healthCheck`; `timeout` is the one that counts now."""
    return {
        "port": wire["port"],
        "request": wire.get("requestLine") or "",
        "interval": max(100, wire["interval"]),
        "timeout": wire["responseTimeout"],
        "healthyThreshold": wire["healthyThreshold"],
        "unhealthyThreshold": wire["unhealthyThreshold"],
        "initializing": wire[timeout],
    }


def store_reports(host_id: int, reports: Mapping[str, Any]) -> None:
    """Keep what a host found, and requeue containers of which it is news. Reports are not trusted to be well made."""
    by_uuid = {}
    for key, found in reports.items():
        with suppress(ValueError):
            by_uuid[UUID(key)] = found
    environment, fleet = fleet_of_host(host_id)
    rows = Container.all_objects.filter(network_check__isnull=False, removed=None, environment=environment)
    for row in rows.filter(uuid__in=by_uuid).only("pk", "uuid", "host", "check_report", "status"):
        found = read_report(by_uuid[row.uuid])
        if found is not None and not _has_said(row, fleet, host_id, found):
            take_report(row.pk, fleet, host_id, found)


def _has_said(row: Container, fleet: CheckingFleet, host_id: int, found: ReportedHealth) -> bool:
    """Whether a host has said just this already: it says everything when it connects, and every minute."""
    joint = JointReport.from_json(row.check_report)
    if joint.by_host:
        return joint.by_host.get(host_id) == found
    return ReportedHealth(joint.state, joint.run, joint.reason) == found and fleet.of(row) == (host_id,)


def read_report(found: Any) -> ReportedHealth | None:
    """What a host says of one check; None for what is no report."""
    if not isinstance(found, dict) or found.get("state") not in _STATES:
        return None
    run, reason = (str(strip_unstorable(str(found.get(name, "")))) for name in ("run", "reason"))
    return ReportedHealth(str(found["state"]), run[:64], reason[:200])


def network_health(row: Container) -> tuple[str, str]:
    """What the checks over the network say now, and why that is unhealthy or unchecked; empty without any."""
    joint = JointReport.from_json(row.check_report)
    return joint.state_at(timezone.now()), joint.reason


def doubt_seconds(row: Container) -> float | None:
    """How long until what other hosts say of it counts, which its own host denies; None while nobody does."""
    left = JointReport.from_json(row.check_report).doubt_left(timezone.now())
    return left.total_seconds() if left is not None else None


def combined_health(row: Container, seen: EngineContainer, engine_health: str, target: Mapping[str, str]) -> str:
    """The health of a container: the worse of what the engine's own check says and what the one over the network does.

    What nobody can check counts as if it had no check: it runs, and more is not known.
    """
    state, _reason = network_health(row)
    if row.network_check is None or seen.state != "running" or not target or state == "unchecked":
        return engine_health
    found = state if state and row.check_report.get("run") == seen.started_at else "initializing"
    return max(engine_health, found, key=_WORST_LAST.index)


def reason_in_brackets(row: Container) -> str:
    """Why the check over the network fails, to be put behind the fact that it does; empty when it says no reason."""
    state, reason = network_health(row)
    return f" ({reason})" if reason and state == "unhealthy" else ""


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
