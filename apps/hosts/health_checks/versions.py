"""The checks that hosts are to make, and which hosts have another set of them than a moment ago."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from apps.hosts.host_versions import VersionsInLoops
from apps.hosts.workloads import workloads
from health_checks.check import MAX_CHECKS, BadDocument, Check

PAUSE = 1.0
_TOO_MANY = f"A host makes at most {MAX_CHECKS} health checks."


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


versions = VersionsInLoops(workloads.health_check_versions, PAUSE)
