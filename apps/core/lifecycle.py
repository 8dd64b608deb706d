"""Life cycles as tables: from which states an action may start, the state displayed meanwhile, and its end."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from apps.core.texts import gettext_noop as _

UPDATING_STATES = ("updating-active", "updating-inactive")
ANY_ACTION = ""
STEADY_STATES = frozenset({"active", "inactive", "running", "stopped"})


@dataclass(frozen=True, slots=True)
class Transition:
    """One action of a life cycle.

    `desired` is the desired state that it records (empty: unchanged), `start` the display states that it may start
    from, `transition_state` what is displayed until the loop has reconciled the row, `permission` what it takes in
    the environment, `end` what is displayed afterwards (empty: the desired state).
    """

    desired: str
    start: frozenset[str]
    transition_state: str
    permission: str = "operate"
    end: str = ""

    def transition_state_from(self, state: str, desired: str = "") -> str:
        """What is displayed after a request in `state`: updates keep a steady state's name (`updating-stopped`).

        One that has none yet is not said to be active while it is `desired` to be inactive.
        """
        if not self.transition_state.startswith("updating-"):
            return self.transition_state
        rest = state.removeprefix("updating-")
        if rest in STEADY_STATES:
            return f"updating-{rest}"
        return "updating-inactive" if desired == "inactive" else self.transition_state


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about an action that a state refuses; `first` is the action that the text names first, if any."""

    text: str
    first: str = ""


WAIT = Remedy(_("Wait until that is done."))
# What leads to a steady state, whatever the kind: the action, its end and what is said about it.
_FIRST_STEPS = (
    ("deactivate", "inactive", _("Deactivate it first.")),
    ("stop", "stopped", _("Stop it first.")),
    ("activate", "active", _("Activate it first.")),
    ("start", "running", _("Start it first.")),
)


@dataclass(frozen=True)
class LifeCycle:
    """Everything that can happen to one kind of row; `create_action` names the transition that creates it.

    `not_undone` are actions that reach further than their row: cancelling their operation would undo a part of them,
    so that they have actions of their own for it. `remedies` say for an action and a state (for `ANY_ACTION` whatever
    is wanted) what to do first where the state refuses it.
    """

    kind: str
    transitions: Mapping[str, Transition]
    create_action: str = "create"
    also_transitional: frozenset[str] = field(default_factory=frozenset)
    not_undone: frozenset[str] = field(default_factory=frozenset)
    remedies: Mapping[tuple[str, str], Remedy] = field(default_factory=dict)

    @functools.cached_property
    def transitional(self) -> frozenset[str]:
        """The states in which work is under way."""
        return frozenset(t.transition_state for t in self.transitions.values()) | self.also_transitional

    @functools.cached_property
    def states(self) -> frozenset[str]:
        """Every state that is displayed, of what goes well and what does not."""
        found = self.transitional | {"error"}
        for transition in self.transitions.values():
            found |= transition.start | {transition.end or transition.desired}
            if transition.transition_state.startswith("updating-"):
                found |= {transition.transition_state_from(state) for state in transition.start}
        return found - {""}

    def allowed(self, state: str) -> list[str]:
        """The actions that may start from `state`, in the table's order."""
        return [name for name, t in self.transitions.items() if state in t.start]

    def remedy(self, action: str, state: str, start: Collection[str]) -> Remedy | None:
        """What to do first where `state` refuses an action that starts from `start`; None when nothing helps."""
        found = self.remedies.get((action, state)) or self.remedies.get((ANY_ACTION, state))
        if found is not None:
            return found
        if state in self.transitional:
            return WAIT
        own = self.transitions.get(action)
        if own is not None and state == (own.end or own.desired):
            return None
        steps = (
            Remedy(text, first=name)
            for name, end, text in _FIRST_STEPS
            if end in start and name != action and self.allows(name, state)
        )
        return next(steps, None)

    def allows(self, action: str, state: str) -> bool:
        """Whether `action` exists and may start from `state`."""
        transition = self.transitions.get(action)
        return transition is not None and state in transition.start


def transition_to(
    desired: str, start: str, transition_state: str, permission: str = "operate", *, end: str = ""
) -> Transition:
    """A transition with its start states written as one text of words."""
    return Transition(desired, frozenset(start.split()), transition_state, permission, end)


def default_lifecycle(
    kind: str, permission: str, *, create_action: str = "registering", restore: bool = True
) -> LifeCycle:
    """Rancher's default life cycle (v1 contract, section 5): what keys, accounts, environments and hosts share."""
    table = {
        "create": transition_to("active", "", create_action, permission),
        "activate": transition_to("active", "inactive registering", "activating", permission),
        "deactivate": transition_to(
            "inactive", "registering active activating updating-active", "deactivating", permission
        ),
        "remove": transition_to(
            "removed", "requested inactive registering error updating-inactive", "removing", permission
        ),
        "purge": transition_to("purged", "removed", "purging", permission),
        "update": transition_to("", "active inactive updating-active", "updating-active", permission),
    }
    if restore:
        table["restore"] = transition_to("inactive", "removed", "restoring", permission)
    return LifeCycle(kind, table, also_transitional=frozenset({*UPDATING_STATES, "requested"}))
