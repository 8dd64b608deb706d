"""Services as a workload of hosts: they move when theirs is drained or lost, and external ones are checked there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.hosts.models import Host
from apps.hosts.workloads import DrainProgress, HostWorkload
from apps.stacks import drain, external_checks


class ServiceWorkload(HostWorkload):
    """The services with containers on a host; the containers themselves are `ContainerWorkload`'s."""

    def on_host_unreachable(self, host: Host) -> None:
        """Requeue the services, which count how long the host has been lost."""
        drain.requeue_services_of_lost_host(host)

    def drain(self, host: Host) -> DrainProgress:
        """Requeue the services, which replace their containers elsewhere."""
        return drain.drain_services(host)

    def health_check_versions(self) -> Mapping[int, str]:
        """By the addresses of external services."""
        return external_checks.check_versions()

    def health_checks(self, host_id: int) -> Sequence[Mapping[str, Any]]:
        """Of the external services."""
        return external_checks.checks_on(host_id)

    def on_health_reports(self, host_id: int, reports: Mapping[str, Any]) -> None:
        """Keep them, and requeue the services of which they are news."""
        external_checks.store_reports(host_id, reports)
