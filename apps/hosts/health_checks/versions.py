"""Which hosts have another set of checks than a moment ago: one query a second, for all hosts of a process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from apps.hosts.workloads import workloads
from health_checks.check import MAX_CHECKS, BadDocument, Check

MAX_AGE = 1.0
_TOO_MANY = f"A host makes at most {MAX_CHECKS} health checks."


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
    """The host's checks as whoever makes them gets them; those that cannot be made are reported instead.

    Nothing of a bad document is used, so one container's odd address would end all checks of its host.
    """
    good: list[Mapping[str, Any]] = []
    bad: dict[str, str] = {}
    for each in workloads.health_checks(host_id):
        if reason := unusable_reason(each) if len(good) < MAX_CHECKS else _TOO_MANY:
            bad[str(each["id"])] = reason
        else:
            good.append(each)
    if bad:
        report_unchecked(host_id, bad)
    return {"version": time.time_ns() // 1_000_000, "checks": good}


def unusable_reason(check: Mapping[str, Any]) -> str:
    """Why a check cannot be made at all; empty if it can."""
    try:
        Check.parse(check)
    except BadDocument as error:
        return f"The check cannot be made: {error}."
    return ""


def without_last(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What decides whether a document has to be pushed again: the last states are known where they were found."""
    return [{**check, "last": ""} for check in document["checks"]]


def report_unchecked(host_id: int, reasons: str | Mapping[str, str]) -> None:
    """Say of these checks of a host, or of all for one reason, that nobody makes them."""
    found = {}
    for each in workloads.health_checks(host_id):
        reason = reasons if isinstance(reasons, str) else reasons.get(str(each["id"]), "")
        if reason:
            found[str(each["id"])] = {"state": "unchecked", "reason": reason, "run": each["run"]}
    if found:
        workloads.on_health_reports(host_id, found)


versions = CheckVersions()
