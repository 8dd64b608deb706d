"""A workload with canned answers, and a register with nothing else in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from apps.drivers.base import EngineContainer, EngineEvent
from apps.hosts.models import Host
from apps.hosts.workloads import DrainProgress, HostWorkload, workloads


class StubWorkload(HostWorkload):
    """Notes the methods that were called; all of them raise `trouble` if there is any."""

    def __init__(
        self,
        *,
        drains: DrainProgress | None = None,
        running: int = 0,
        attached: int = 0,
        ids: Mapping[str, int] | None = None,
        trouble: Exception | None = None,
    ) -> None:
        self.drains, self.running = drains or DrainProgress(), running
        self.attached, self.ids = attached, ids or {}
        self.trouble = trouble
        self.calls: list[str] = []

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.trouble is not None:
            raise self.trouble

    def on_engine_event(self, host_id: int, event: EngineEvent) -> None:
        self._called("on_engine_event")

    def on_host_scanned(self, host: Host, containers: Sequence[EngineContainer]) -> None:
        self._called("on_host_scanned")

    def on_host_unreachable(self, host: Host) -> None:
        self._called("on_host_unreachable")

    def on_host_removed(self, host: Host) -> int:
        self._called("on_host_removed")
        return self.attached

    def drain(self, host: Host) -> DrainProgress:
        self._called("drain")
        return self.drains

    def fence(self, host: Host, containers: Sequence[EngineContainer]) -> int:
        self._called("fence")
        return self.running

    def container_ids(self, host: Host) -> Mapping[str, int]:
        self._called("container_ids")
        return self.ids

    def health_check_versions(self) -> Mapping[int, str]:
        self._called("health_check_versions")
        return {}

    def health_checks(self, host_id: int) -> Sequence[Mapping[str, Any]]:
        self._called("health_checks")
        return []

    def on_health_reports(self, host_id: int, reports: Mapping[str, Any]) -> None:
        self._called("on_health_reports")


def register_only(monkeypatch: pytest.MonkeyPatch, *given: HostWorkload) -> None:
    """Replace the installed workloads by these for one test."""
    monkeypatch.setattr(workloads, "_registered", list(given))
