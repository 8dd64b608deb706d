"""The life cycle of a promotion: what people decide, and the states in between that the loop finds out."""

from __future__ import annotations

from apps.core.lifecycle import LifeCycle, transition_to

REQUESTED, WAITING_FOR_APPROVAL, WAITING_FOR_WINDOW = "requested", "waiting-for-approval", "waiting-for-window"
PROMOTING, DONE, REFUSED, FAILED, UNDONE = "promoting", "done", "refused", "failed", "undone"
STATES = (REQUESTED, WAITING_FOR_APPROVAL, WAITING_FOR_WINDOW, PROMOTING, DONE, REFUSED, FAILED, UNDONE)

APPROVE_PERMISSION = "approve"

PROMOTION = LifeCycle(
    "promotion",
    {
        "create": transition_to(DONE, "", REQUESTED),
        "approve": transition_to(DONE, WAITING_FOR_APPROVAL, PROMOTING, APPROVE_PERMISSION),
        "refuse": transition_to(REFUSED, f"{WAITING_FOR_APPROVAL} {WAITING_FOR_WINDOW}", "refusing"),
        "undo": transition_to(UNDONE, DONE, "undoing"),
    },
    not_undone=frozenset({"create", "approve", "refuse", "undo"}),
)
