"""Who takes part in a check of the network, and what has been reported of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apps.network.addressing import WIREGUARD
from apps.network.check_reports import CheckReport
from apps.network.check_verdicts import CheckedHost, Terms
from apps.network.document import UDP_PORT, WIREGUARD_PORT
from apps.network.models import OFF, EnvironmentNetwork, HostCheck, HostNetwork, NetworkCheck

_NOT_CONNECTED = "its agent is not connected; see its page."
_STARTING = "its part of the network is not ready yet."


@dataclass(frozen=True, slots=True)
class CheckState:
    """Everything that verdicts are made from."""

    terms: Terms
    members: tuple[CheckedHost, ...]
    reports: Mapping[str, CheckReport]
    measured: tuple[str, ...] = ()

    @property
    def awaits_throughput(self) -> bool:
        """Whether one of the two hosts that measure has not reported yet what came from the other."""
        return any(key not in self.reports or self.reports[key].throughput is None for key in self.measured)


def terms_of(network: EnvironmentNetwork) -> Terms:
    """What the hosts' ways have to carry."""
    port = WIREGUARD_PORT if network.encryption == WIREGUARD else UDP_PORT
    return Terms(network.subnet, network.mtu, network.encryption, port)


def check_states(rows: Iterable[NetworkCheck]) -> dict[int, CheckState]:
    """The hosts of the environment of each check, and their reports of its newest run, in three queries."""
    checks = {row.environment_id: row for row in rows}
    networks = EnvironmentNetwork.objects.filter(pk__in=checks)
    kept = {row.host_id: row for row in HostCheck.objects.filter(environment__in=checks)}
    parts = HostNetwork.objects.filter(environment__in=checks, host__removed=None).select_related("host")
    by_environment: dict[int, list[HostNetwork]] = {}
    for part in parts.order_by("number").defer("host__tls"):
        by_environment.setdefault(part.environment_id, []).append(part)
    return {
        network.pk: _state(network, by_environment.get(network.pk, []), kept, checks[network.pk])
        for network in networks
    }


def _state(
    network: EnvironmentNetwork, parts: Sequence[HostNetwork], kept: Mapping[int, HostCheck], check: NetworkCheck
) -> CheckState:
    members = tuple(_member(network, part, kept.get(part.pk)) for part in parts)
    rows = [(str(part.host.uuid), kept[part.pk]) for part in parts if part.pk in kept]
    found = {key: CheckReport.parse(row.report) for key, row in rows if row.generation == check.generation}
    reports = {key: report for key, report in found.items() if report is not None}
    return CheckState(terms_of(network), members, reports, tuple(check.measured))


def _member(network: EnvironmentNetwork, part: HostNetwork, row: HostCheck | None) -> CheckedHost:
    return CheckedHost(
        key=str(part.host.uuid),
        name=str(part.host),
        address=part.address,
        gateway=network.plan.gateway(part.number) if part.number else "",
        absence=_absence(part, row),
        trouble="" if part.is_active else part.reason or _STARTING,
    )


def _absence(part: HostNetwork, row: HostCheck | None) -> str:
    """Why a host cannot be checked at all."""
    if part.state == OFF or not part.address:
        return part.reason or _STARTING
    if part.host.is_unreachable:
        return _NOT_CONNECTED
    return str(row.report.get("unsupported", "")) if row is not None else ""
