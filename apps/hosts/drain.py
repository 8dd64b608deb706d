"""Draining a host: what its workloads still have to move away or stop, as one reconcile result of the host."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.control.services import note_progress
from apps.core.plurals import counted
from apps.core.result import ReconcileResult
from apps.hosts.models import Host
from apps.hosts.workloads import workloads

RECHECK_SECONDS = 2.0
MAX_NAMES = 5


def reconcile_drain(row: Host) -> ReconcileResult:
    """Have every workload leave and report how far that is; `inactive` once nothing is left to go."""
    left = workloads.drain(row)
    remaining, waits, staying = left.remaining, left.waits[:MAX_NAMES], sorted(left.staying)
    progress = row.status.get("draining", {})
    if progress.get("asked") != row.drain["asked"]:
        progress = {"asked": row.drain["asked"], "total": remaining}
        note_progress(row, _opening_note(remaining, staying))
    total = max(int(progress["total"]), remaining)
    if not remaining:
        note_progress(row, "Nothing is left to move.")
        return ReconcileResult(state="inactive", status={"drained": row.drain["asked"], "stays": staying})
    return ReconcileResult(
        state="evacuating",
        status={
            "draining": {**progress, "total": total, "moved": total - remaining},
            "stays": staying,
            "waits": list(waits),
        },
        message="; ".join([f"{total - remaining} of {total} moved", *waits]),
        requeue_after=RECHECK_SECONDS,
        progress=100 * (total - remaining) // total,
    )


def _opening_note(remaining: int, staying: Iterable[Any]) -> str:
    names = list(staying)
    text = f"{counted(remaining, 'container')} of services to leave."
    if not names:
        return text
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{text} Will stay: {', '.join(names[:MAX_NAMES])}{more}."
