"""Which hosts have another set of checks than a moment ago: one query a second, for all hosts of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from apps.hosts.workloads import workloads
from health_checks.check import MAX_CHECKS

MAX_AGE = 1.0


class CheckVersions:
    """The versions of all hosts' checks, as of at most a second ago."""

    def __init__(self) -> None:
        self._found: Mapping[int, str] = {}
        self._read_at = 0.0
        self._lock = threading.Lock()

    @property
    def is_stale(self) -> bool:
        """Whether they have to be read again."""
        return time.monotonic() - self._read_at > MAX_AGE

    def refresh(self) -> None:
        """Read them, unless another thread is doing so or just has."""
        if self._lock.acquire(blocking=False):
            try:
                if self.is_stale:
                    self._found = workloads.health_check_versions()
                    self._read_at = time.monotonic()
            finally:
                self._lock.release()

    def of(self, host_id: int) -> str:
        """The version of one host's checks; empty when it has none."""
        return self._found.get(host_id, "")


def document_of(host_id: int) -> dict[str, Any]:
    """The host's checks as whoever makes them gets them."""
    return {"version": time.time_ns() // 1_000_000, "checks": list(workloads.health_checks(host_id))[:MAX_CHECKS]}


def report_unchecked(host_id: int, reason: str) -> None:
    """Say of all checks of a host that nobody makes them."""
    checks = workloads.health_checks(host_id)
    found = {each["id"]: {"state": "unchecked", "reason": reason, "run": each["run"]} for each in checks}
    workloads.on_health_reports(host_id, found)


versions = CheckVersions()
