"""Emptying a host: what others still have to move away or stop, told as one sighting of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from apps.control.services import note
from apps.core.result import Result
from apps.hosts.models import Host

AGAIN = 2.0
NAMES = 5


@dataclass(frozen=True, slots=True)
class Leaving:
    """What one kind of tenant of a draining host still has to do.

    `left` containers are still to go, `waits` says why some cannot yet, `stays` names those that are let be.
    """

    left: int = 0
    waits: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()


drainers: list[Callable[[Host], Leaving]] = []


def drain(row: Host) -> Result:
    """Have everybody move away and say how far that is; `inactive` once nothing is left to go."""
    found = [drainer(row) for drainer in drainers]
    left = sum(each.left for each in found)
    waits = [why for each in found for why in each.waits]
    stays = sorted(name for each in found for name in each.stays)
    before = row.status.get("draining", {})
    if before.get("asked") != row.drain["asked"]:
        before = {"asked": row.drain["asked"], "total": left}
        note(row, _opening(left, stays))
    total = max(int(before["total"]), left)
    if not left:
        note(row, "Nothing is left to move.")
        return Result(state="inactive", status={"drained": row.drain["asked"], "stays": stays})
    return Result(
        state="evacuating",
        status={
            "draining": {**before, "total": total, "moved": total - left},
            "stays": stays,
            "waits": waits[:NAMES],
        },
        message="; ".join([f"{total - left} of {total} moved", *waits[:NAMES]]),
        again_in=AGAIN,
        progress=100 * (total - left) // total,
    )


def _opening(left: int, stays: Iterable[Any]) -> str:
    names = list(stays)
    text = f"{left} containers of services are to leave."
    if not names:
        return text
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    return f"{text} Will stay: {', '.join(names[:NAMES])}{more}."
