"""Services as a workload of hosts: they move to other hosts when theirs is drained or lost."""

from __future__ import annotations

from apps.hosts.models import Host
from apps.hosts.workloads import DrainProgress, HostWorkload
from apps.stacks import drain


class ServiceWorkload(HostWorkload):
    """The services with containers on a host; the containers themselves are `ContainerWorkload`'s."""

    def on_host_unreachable(self, host: Host) -> None:
        """Requeue the services, which count how long the host has been lost."""
        drain.requeue_services_of_lost_host(host)

    def drain(self, host: Host) -> DrainProgress:
        """Requeue the services, which replace their containers elsewhere."""
        return drain.drain_services(host)
