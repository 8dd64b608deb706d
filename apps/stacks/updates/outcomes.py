"""What came of an upgrade that a policy began; pure."""

from __future__ import annotations

from dataclasses import dataclass

from apps.stacks.upgrade import CANCELED, ROLLING_BACK, UPGRADING

GOING, ASKED, STOPPED, FINISHED, ROLLED_BACK, REPLACED, REFUSED = (
    "going",
    "asked",
    "stopped",
    "finished",
    "rolled-back",
    "replaced",
    "refused",
)
OPEN = frozenset({GOING, ASKED, STOPPED})
"""What may still become something else."""
_WORDS = {
    GOING: "",
    ASKED: "All containers are new: finish the upgrade, or roll it back.",
    STOPPED: "The upgrade was stopped half-way: finish it, or roll it back.",
    FINISHED: "",
    ROLLED_BACK: "The upgrade was rolled back. It is not tried again by itself until a newer image appears.",
    REPLACED: "Another upgrade took its place.",
}


@dataclass(frozen=True, slots=True)
class UpgradeNow:
    """A service now: its `current` revision beside the one that was begun and the one before that.

    `is_watched`: its upgrade is still being judged. `is_gone`: it was removed.
    """

    revision: int
    previous: int
    current: int
    phase: str
    state: str
    is_gone: bool = False
    is_watched: bool = False


def outcome_of(now: UpgradeNow) -> str:
    """What came of the upgrade so far."""
    if now.is_gone:
        return REPLACED
    if now.current != now.revision:
        return ROLLED_BACK if now.current == now.previous else REPLACED
    if not now.phase:
        return FINISHED
    if now.phase == CANCELED:
        return GOING if now.is_watched else STOPPED
    if now.phase == UPGRADING and now.state == "upgraded" and not now.is_watched:
        return ASKED
    return GOING if now.phase in {UPGRADING, ROLLING_BACK} else STOPPED


def describe_outcome(outcome: str, verdict: str = "") -> str:
    """The outcome in words, with why it was judged so."""
    return " ".join(filter(None, (_WORDS.get(outcome, ""), verdict if outcome in {ROLLED_BACK, STOPPED} else "")))
