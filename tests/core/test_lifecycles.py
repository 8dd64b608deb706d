"""The life-cycle tables: every state can be reached and left, and every action leads somewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.lifecycle import ACCOUNT, API_KEY
from apps.containers.lifecycle import CONTAINER, PULL
from apps.core.lifecycle import LifeCycle, generic, step
from apps.environments.lifecycle import ENVIRONMENT
from apps.hosts.lifecycle import AWAY, HOST, TOKEN
from apps.stacks.lifecycle import SERVICE, STACK

ALL = [ACCOUNT, API_KEY, CONTAINER, PULL, ENVIRONMENT, HOST, TOKEN, SERVICE, STACK]
FIRST_WISH = {"container": ["running", "stopped"], "service": ["active", "inactive"]}
LOOKED_UP = {"host": AWAY}
FINAL = {"purged"}

cycles = pytest.mark.parametrize("cycle", ALL, ids=lambda cycle: cycle.kind)


def wishes_at_birth(cycle: LifeCycle) -> list[str]:
    return FIRST_WISH.get(cycle.kind, [cycle.transitions[cycle.born].wish])


def moves(cycle: LifeCycle, state: str, wish: str) -> list[tuple[str, str]]:
    """Where a row shown as `state` with this wish can go next: by its loop, by failing, or by being asked."""
    found = [(cycle.transitions[a].doing_from(state), cycle.transitions[a].wish or wish) for a in cycle.allowed(state)]
    if state in cycle.transitional:
        found += [(wish, wish), ("error", wish)]
    return found


def walk(cycle: LifeCycle) -> set[tuple[str, str]]:
    """Every (shown state, wish) that a row can come to, birth and the loop's own states included."""
    wishes = wishes_at_birth(cycle)
    todo = [(cycle.transitions[cycle.born].doing, wish) for wish in wishes]
    own = cycle.also_transitional | LOOKED_UP.get(cycle.kind, frozenset())
    todo += [(state, wish) for state in own for wish in wishes]
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
    assert named <= {state for state, _wish in walk(cycle)}


@cycles
def test_no_state_is_a_dead_end(cycle: LifeCycle):
    stuck = {place for place in walk(cycle) if place[0] not in FINAL | {"error"} and not moves(cycle, *place)}
    assert not stuck - {("pulled", "pulled")}


@cycles
def test_whatever_shows_after_asking_is_known_to_be_under_way(cycle: LifeCycle):
    shown = {t.doing_from(state) for t in cycle.transitions.values() for state in t.start}
    assert shown <= cycle.transitional


@cycles
def test_nothing_is_settled_and_under_way_at_once(cycle: LifeCycle):
    settled = {t.wish for t in cycle.transitions.values() if t.wish} | set(wishes_at_birth(cycle)) | {"error"}
    assert not settled & cycle.transitional


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
    assert not cycle.transitions[cycle.born].start


@cycles
@given(data=st.data())
def test_a_walk_at_random_never_leaves_the_table(cycle: LifeCycle, data: st.DataObject):
    known = {state for state, _wish in walk(cycle)} | {"error"}
    place = (cycle.transitions[cycle.born].doing, data.draw(st.sampled_from(wishes_at_birth(cycle))))
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
    assert update.doing_from("stopped") == "updating-stopped"
    assert update.doing_from("updating-stopped") == "updating-stopped"
    assert CONTAINER.transitions["stop"].doing_from("running") == "stopping"


def test_what_is_removed_comes_back_only_where_the_table_has_a_restore():
    assert "restore" in generic("x", "own").transitions
    assert "restore" not in generic("x", "own", restore=False).transitions


def test_a_step_is_a_line_of_words():
    made = step("active", "inactive error", "activating", "hosts")
    assert made.start == frozenset({"inactive", "error"})
    assert (made.wish, made.doing, made.permission) == ("active", "activating", "hosts")
