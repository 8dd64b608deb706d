"""Containers as a workload of hosts: what they do about scans, events, lost and removed hosts, and drains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.containers import check_sharing, drain, network_checks, selectors, services, watch
from apps.containers.images import inventory
from apps.drivers.base import EngineContainer, EngineEvent
from apps.hosts.models import Host
from apps.hosts.workloads import DrainProgress, HostWorkload


class ContainerWorkload(HostWorkload):
    """Every container on a host, whether a service replaces it or not; `drain` handles those without a service."""

    def on_engine_event(self, host_id: int, event: EngineEvent) -> None:
        """Requeue the container that an event is about, or have the images listed again."""
        watch.handle_event(host_id, event)
        inventory.handle_event(host_id, event)

    def on_host_scanned(self, host: Host, containers: Sequence[EngineContainer]) -> None:
        """Requeue what differs, add what is new, and list the images if that is due."""
        watch.scan_host(host, containers)
        inventory.scan_images(host, containers)

    def on_host_removed(self, host: Host) -> int:
        """Request the removal of the host's containers."""
        return services.remove_host_containers(host)

    def drain(self, host: Host) -> DrainProgress:
        """Stop the containers without a service, or leave them."""
        return drain.drain_standalone(host)

    def fence(self, host: Host, containers: Sequence[EngineContainer]) -> int:
        """Requeue the copies that were given up, so that they are removed."""
        return watch.fence_host(host, containers)

    def container_ids(self, host: Host) -> Mapping[str, int]:
        """The rows by the engine's ids."""
        return selectors.container_ids_on(host)

    def health_check_versions(self) -> Mapping[int, str]:
        """By the containers with a check."""
        return check_sharing.check_versions()

    def health_checks(self, host_id: int) -> Sequence[Mapping[str, Any]]:
        """Of the running containers."""
        return network_checks.checks_on(host_id)

    def on_health_reports(self, host_id: int, reports: Mapping[str, Any]) -> None:
        """Keep them, and requeue the containers of which they are news."""
        network_checks.store_reports(host_id, reports)
