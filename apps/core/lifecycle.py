"""Life cycles as tables: which action may start from which state, what shows meanwhile, and where it ends."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

UPDATING = ("updating-active", "updating-inactive")
RESTING = frozenset({"active", "inactive", "running", "stopped"})


@dataclass(frozen=True, slots=True)
class Transition:
    """One action of a life cycle.

    `wish` is the desired value it records (empty: the wish stays), `start` the shown states it may be asked in,
    `doing` the state shown until the loop has looked, `permission` what the asker needs in the environment.
    """

    wish: str
    start: frozenset[str]
    doing: str
    permission: str = "operate"

    def doing_from(self, state: str) -> str:
        """What shows after asking in `state`: an update keeps a resting state's own name (`updating-stopped`)."""
        rest = state.removeprefix("updating-")
        return f"updating-{rest}" if self.doing.startswith("updating-") and rest in RESTING else self.doing


@dataclass(frozen=True)
class LifeCycle:
    """Everything that can happen to one kind of row; `born` names the transition that makes it."""

    kind: str
    transitions: Mapping[str, Transition]
    born: str = "create"
    also_transitional: frozenset[str] = field(default_factory=frozenset)

    @functools.cached_property
    def transitional(self) -> frozenset[str]:
        """The states in which work is still to be done."""
        return frozenset(t.doing for t in self.transitions.values()) | self.also_transitional

    def allowed(self, state: str) -> list[str]:
        """The actions that may start from `state`, in the table's order."""
        return [name for name, t in self.transitions.items() if state in t.start]

    def allows(self, action: str, state: str) -> bool:
        """Whether `action` exists and may start from `state`."""
        transition = self.transitions.get(action)
        return transition is not None and state in transition.start


def step(wish: str, start: str, doing: str, permission: str = "operate") -> Transition:
    """A transition with its start states written as one text of words."""
    return Transition(wish, frozenset(start.split()), doing, permission)


def generic(kind: str, permission: str, *, born: str = "registering", restore: bool = True) -> LifeCycle:
    """Rancher's default life cycle (v1 contract, section 5): what keys, accounts, environments and hosts share."""
    table = {
        "create": step("active", "", born, permission),
        "activate": step("active", "inactive registering", "activating", permission),
        "deactivate": step("inactive", "registering active activating updating-active", "deactivating", permission),
        "remove": step("removed", "requested inactive registering error updating-inactive", "removing", permission),
        "purge": step("purged", "removed", "purging", permission),
        "update": step("", "active inactive updating-active", "updating-active", permission),
    }
    if restore:
        table["restore"] = step("inactive", "removed", "restoring", permission)
    return LifeCycle(kind, table, also_transitional=frozenset({*UPDATING, "requested"}))
