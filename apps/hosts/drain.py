"""Emptying a host: what others still have to move away or stop, told as one sighting of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from apps.control.services import note_progress
from apps.core.result import ReconcileResult
from apps.hosts.models import Host

RECHECK_SECONDS = 2.0
MAX_NAMES = 5


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """What one kind of tenant of a draining host still has to do.

    `remaining` containers are still to go, `waits` says why some cannot yet, `staying` names those that are let be.
    """

    remaining: int = 0
    waits: tuple[str, ...] = ()
    staying: tuple[str, ...] = ()


drainers: list[Callable[[Host], DrainProgress]] = []


def reconcile_drain(row: Host) -> ReconcileResult:
    """Have everybody move away and say how far that is; `inactive` once nothing is left to go."""
    found = [drainer(row) for drainer in drainers]
    remaining = sum(each.remaining for each in found)
    waits = [why for each in found for why in each.waits]
    staying = sorted(name for each in found for name in each.staying)
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
            "waits": waits[:MAX_NAMES],
        },
        message="; ".join([f"{total - remaining} of {total} moved", *waits[:MAX_NAMES]]),
        requeue_after=RECHECK_SECONDS,
        progress=100 * (total - remaining) // total,
    )


def _opening_note(remaining: int, staying: Iterable[Any]) -> str:
    names = list(staying)
    text = f"{remaining} containers of services are to leave."
    if not names:
        return text
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return f"{text} Will stay: {', '.join(names[:MAX_NAMES])}{more}."
