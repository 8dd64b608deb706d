"""What lives on hosts: the one protocol that an app implements for it, and the register that hosts go through."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import close_old_connections

from apps.drivers.base import EngineContainer, EngineEvent
from apps.hosts.models import Host

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """What a workload of a draining host still has to do.

    `remaining` containers are still to go, `waits` says why some cannot yet, `staying` names those left in place.
    """

    remaining: int = 0
    waits: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()

    def __add__(self, other: DrainProgress) -> DrainProgress:
        return DrainProgress(
            self.remaining + other.remaining, (*self.waits, *other.waits), (*self.staying, *other.staying)
        )


class HostWorkload:
    """What one app runs on hosts. Each method is a no-op here; override those that matter to the app.

    The host's reconciler calls all of them but `on_engine_event` and `container_ids`, so what they raise fails that
    reconcile, which is then retried: they must be idempotent.
    """

    def on_engine_event(self, host_id: int, event: EngineEvent) -> None:
        """Take note of an engine event. Only a hint: whatever it means is seen by the next scan as well."""

    def on_host_scanned(self, host: Host, containers: Sequence[EngineContainer]) -> None:
        """Compare everything on the host's engine with what is known of it."""

    def on_host_unreachable(self, host: Host) -> None:
        """Prepare for a host that does not answer; called by every reconcile that finds it so."""

    def on_host_removed(self, host: Host) -> int:  # noqa: ARG002 - a default
        """Detach what is on a host that is being removed, and return how many containers are still attached."""
        return 0

    def drain(self, host: Host) -> DrainProgress:  # noqa: ARG002 - a default
        """Move away or stop what has to leave a draining host, and return how far that is."""
        return DrainProgress()

    def fence(self, host: Host, containers: Sequence[EngineContainer]) -> int:  # noqa: ARG002 - a default
        """Remove what was replaced elsewhere while the host was lost, and return how much of it still runs there."""
        return 0

    def container_ids(self, host: Host) -> Mapping[str, int]:  # noqa: ARG002 - a default
        """The rows of the containers on the host, by the engine's ids."""
        return {}

    def health_check_versions(self) -> Mapping[int, str]:
        """Of each host that has health checks, a text that is another one whenever they might have changed."""
        return {}

    def health_checks(self, host_id: int) -> Sequence[Mapping[str, Any]]:  # noqa: ARG002 - a default
        """The checks to be made on a host, as `health_checks.check` reads them."""
        return []

    def on_health_reports(self, host_id: int, reports: Mapping[str, Any]) -> None:
        """Take note of what checks found, by the ids of the checks."""


class WorkloadRegister(HostWorkload):
    """All workloads as one: each call goes to every one of them, in the order in which they were registered."""

    def __init__(self, *registered: HostWorkload) -> None:
        self._registered = list(registered)

    def register(self, workload: HostWorkload) -> None:
        """Add a workload; called once by each app's configuration."""
        self._registered.append(workload)

    def on_engine_event(self, host_id: int, event: EngineEvent) -> None:
        """Pass an event on; a workload that fails is logged and keeps no other from hearing of it."""
        for each in self._registered:
            try:
                each.on_engine_event(host_id, event)
            except Exception:
                log.exception("event %s of host %s", event.action, host_id)
            finally:
                # Events arrive in threads that no request ends, so nobody else returns their connections.
                close_old_connections()

    def on_host_scanned(self, host: Host, containers: Sequence[EngineContainer]) -> None:
        """Pass a scan on."""
        for each in self._registered:
            each.on_host_scanned(host, containers)

    def on_host_unreachable(self, host: Host) -> None:
        """Pass on that a host does not answer."""
        for each in self._registered:
            each.on_host_unreachable(host)

    def on_host_removed(self, host: Host) -> int:
        """How many containers are still attached, of all workloads; each is asked, whatever the others have left."""
        return sum(each.on_host_removed(host) for each in self._registered)

    def drain(self, host: Host) -> DrainProgress:
        """The progress of all workloads together."""
        return sum((each.drain(host) for each in self._registered), DrainProgress())

    def fence(self, host: Host, containers: Sequence[EngineContainer]) -> int:
        """How much still runs there, of all workloads."""
        return sum(each.fence(host, containers) for each in self._registered)

    def container_ids(self, host: Host) -> Mapping[str, int]:
        """The containers of all workloads."""
        return {name: key for each in self._registered for name, key in each.container_ids(host).items()}

    def health_check_versions(self) -> Mapping[int, str]:
        """Of all workloads."""
        found: dict[int, str] = {}
        for each in self._registered:
            for host, text in each.health_check_versions().items():
                found[host] = f"{found[host]}|{text}" if host in found else text
        return found

    def health_checks(self, host_id: int) -> Sequence[Mapping[str, Any]]:
        """The checks of all workloads."""
        return [check for each in self._registered for check in each.health_checks(host_id)]

    def on_health_reports(self, host_id: int, reports: Mapping[str, Any]) -> None:
        """Pass reports on to all; each takes what is its own."""
        for each in self._registered:
            each.on_health_reports(host_id, reports)


workloads = WorkloadRegister()
