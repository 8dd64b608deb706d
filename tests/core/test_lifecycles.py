"""The life-cycle tables: every state can be reached and left, and every action leads somewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.lifecycle import ACCOUNT, API_KEY
from apps.containers.lifecycle import CONTAINER, PULL
from apps.core.lifecycle import LifeCycle, default_lifecycle, transition_to
from apps.environments.lifecycle import ENVIRONMENT
from apps.hosts.lifecycle import AWAY, HOST, TOKEN
from apps.stacks.lifecycle import SERVICE, STACK

ALL = [ACCOUNT, API_KEY, CONTAINER, PULL, ENVIRONMENT, HOST, TOKEN, SERVICE, STACK]
INITIAL_DESIRED = {"container": ["running", "stopped"], "service": ["active", "inactive"]}
OBSERVED_STATES = {"host": AWAY, "container": frozenset({"paused"})}
FINAL = {"purged"}

cycles = pytest.mark.parametrize("cycle", ALL, ids=lambda cycle: cycle.kind)


def initial_desired_states(cycle: LifeCycle) -> list[str]:
    return INITIAL_DESIRED.get(cycle.kind, [cycle.transitions[cycle.create_action].desired])


def moves(cycle: LifeCycle, state: str, desired: str) -> list[tuple[str, str]]:
    """Where a row shown as `state` with this desired can go next: by its loop, by failing, or by being asked."""
    found = [
        (cycle.transitions[a].transition_state_from(state), cycle.transitions[a].desired or desired)
        for a in cycle.allowed(state)
    ]
    if state in cycle.transitional:
        found += [(desired, desired), ("error", desired)]
        found += [(t.end, desired) for t in cycle.transitions.values() if t.end and t.transition_state == state]
    return found


def walk(cycle: LifeCycle) -> set[tuple[str, str]]:
    """Every (shown state, desired) that a row can come to, birth and the loop's own states included."""
    desired_states = initial_desired_states(cycle)
    todo = [(cycle.transitions[cycle.create_action].transition_state, desired) for desired in desired_states]
    own = cycle.also_transitional | OBSERVED_STATES.get(cycle.kind, frozenset())
    todo += [(state, desired) for state in own for desired in desired_states]
    seen: set[tuple[str, str]] = set()
    while todo:
        place = todo.pop()
        if place not in seen:
            seen.add(place)
            todo += moves(cycle, *place)
    return seen


@cycles
def test_every_state_of_the_table_can_be_reached(cycle: LifeCycle):
    named = {state for transition in cycle.transitions.values() for state in transition.start}
    assert named <= {state for state, _desired in walk(cycle)}


@cycles
def test_no_state_is_a_dead_end(cycle: LifeCycle):
    stuck = {place for place in walk(cycle) if place[0] not in FINAL | {"error"} and not moves(cycle, *place)}
    assert not stuck - {("pulled", "pulled")}


@cycles
def test_whatever_shows_after_asking_is_known_to_be_under_way(cycle: LifeCycle):
    display_states = {t.transition_state_from(state) for t in cycle.transitions.values() for state in t.start}
    assert display_states <= cycle.transitional


@cycles
def test_nothing_is_in_sync_and_in_transition_at_once(cycle: LifeCycle):
    in_sync_states = (
        {t.desired for t in cycle.transitions.values() if t.desired} | set(initial_desired_states(cycle)) | {"error"}
    )
    assert not in_sync_states & cycle.transitional


@cycles
def test_a_failed_row_can_be_removed(cycle: LifeCycle):
    if "remove" in cycle.transitions:
        assert cycle.allows("remove", "error")


@cycles
def test_everything_that_is_made_can_be_taken_away_from_where_it_comes_to_rest(cycle: LifeCycle):
    """From every place a walk exists that ends in `purged` (a pull is not purged: it goes with its host)."""
    if "purge" not in cycle.transitions:
        return
    for place in walk(cycle):
        seen, todo = set(), [place]
        while todo and ("purged", "purged") not in seen:
            here = todo.pop()
            if here not in seen:
                seen.add(here)
                todo += moves(cycle, *here)
        assert ("purged", "purged") in seen, place


@cycles
def test_nobody_may_ask_for_a_birth(cycle: LifeCycle):
    assert not cycle.transitions[cycle.create_action].start


@cycles
@given(data=st.data())
def test_a_walk_at_random_never_leaves_the_table(cycle: LifeCycle, data: st.DataObject):
    known = {state for state, _desired in walk(cycle)} | {"error"}
    place = (
        cycle.transitions[cycle.create_action].transition_state,
        data.draw(st.sampled_from(initial_desired_states(cycle))),
    )
    for _ in range(12):
        options = moves(cycle, *place)
        if not options:
            break
        place = data.draw(st.sampled_from(options))
        assert place[0] in known
        assert all(cycle.allows(action, place[0]) for action in cycle.allowed(place[0]))


def test_an_action_is_allowed_where_its_table_says_so_only():
    assert API_KEY.allows("deactivate", "active")
    assert not API_KEY.allows("remove", "active")
    assert not API_KEY.allows("restore", "removed")
    assert not API_KEY.allows("explode", "active")


def test_an_update_keeps_the_name_of_the_state_it_was_asked_in():
    update = CONTAINER.transitions["update"]
    assert update.transition_state_from("stopped") == "updating-stopped"
    assert update.transition_state_from("updating-stopped") == "updating-stopped"
    assert CONTAINER.transitions["stop"].transition_state_from("running") == "stopping"


def test_what_is_on_its_way_to_be_inactive_is_not_said_to_be_active():
    update = SERVICE.transitions["update"]
    assert update.transition_state_from("registering", "inactive") == "updating-inactive"
    assert update.transition_state_from("registering", "active") == "updating-active"
    assert HOST.transitions["update"].transition_state_from("error", "active") == "updating-inactive"


def test_what_is_removed_comes_back_only_where_the_table_has_a_restore():
    assert "restore" in default_lifecycle("x", "own").transitions
    assert "restore" not in default_lifecycle("x", "own", restore=False).transitions


def test_a_step_is_a_line_of_words():
    made = transition_to("active", "inactive error", "activating", "hosts")
    assert made.start == frozenset({"inactive", "error"})
    assert (made.desired, made.transition_state, made.permission) == ("active", "activating", "hosts")
