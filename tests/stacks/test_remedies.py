"""Every refusal of an action by a state says what to do first, and that is possible."""

from __future__ import annotations

import pytest

from apps.core.lifecycle import ANY_ACTION, LifeCycle
from apps.stacks.lifecycle import SERVICE, STACK

LIFECYCLES = [pytest.param(each, id=each.kind) for each in (SERVICE, STACK)]
OVER = {"purging", "purged"}


def refused(lifecycle: LifeCycle) -> list[tuple[str, str]]:
    """Each action with each state that refuses it."""
    actions = [name for name in lifecycle.transitions if name != lifecycle.create_action]
    return [
        (name, state) for name in actions for state in sorted(lifecycle.states) if not lifecycle.allows(name, state)
    ]


@pytest.mark.parametrize("lifecycle", LIFECYCLES)
def test_every_refused_action_has_a_remedy_of_its_own(lifecycle: LifeCycle):
    missing = [
        (action, state)
        for action, state in refused(lifecycle)
        if (action, state) not in lifecycle.remedies and (ANY_ACTION, state) not in lifecycle.remedies
    ]
    assert missing == []


@pytest.mark.parametrize("lifecycle", LIFECYCLES)
def test_the_action_that_a_remedy_names_is_possible_in_that_state(lifecycle: LifeCycle):
    wrong = []
    for action, state in refused(lifecycle):
        remedy = lifecycle.remedy(action, state, lifecycle.transitions[action].start)
        assert remedy is not None
        if remedy.first and not lifecycle.allows(remedy.first, state):
            wrong.append((action, state, remedy.text))
    assert wrong == []


@pytest.mark.parametrize("lifecycle", LIFECYCLES)
def test_who_is_to_wait_waits_for_something_that_is_under_way(lifecycle: LifeCycle):
    for action, state in refused(lifecycle):
        remedy = lifecycle.remedy(action, state, lifecycle.transitions[action].start)
        assert remedy is not None
        if remedy.text.startswith("Wait"):
            assert state in lifecycle.transitional, (action, state, remedy.text)


@pytest.mark.parametrize("lifecycle", LIFECYCLES)
def test_a_remedy_leads_out_of_its_state_or_says_that_nothing_is_to_be_done(lifecycle: LifeCycle):
    for action, state in refused(lifecycle):
        remedy = lifecycle.remedy(action, state, lifecycle.transitions[action].start)
        assert remedy is not None
        assert remedy.first or state in lifecycle.transitional | OVER or "here is no" in remedy.text, (action, state)


@pytest.mark.parametrize("lifecycle", LIFECYCLES)
def test_who_wants_to_roll_back_an_upgrade_under_way_learns_to_cancel_it_first(lifecycle: LifeCycle):
    remedy = lifecycle.remedy("rollback", "upgrading", lifecycle.transitions["rollback"].start)
    assert remedy is not None
    assert remedy.text == "Cancel the upgrade first, then roll back."
