"""The next step, for every desired state and everything that an engine may show."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.lifecycle import (
    CONTAINER,
    PULL,
    RUNNING,
    DesiredContainer,
    crash_restart_delay,
    next_step,
)

SEEN = (None, "created", "running", "paused", "restarting", "removing", "exited", "dead")
WANTS = [DesiredContainer(*each) for each in itertools.product((True, False), repeat=4)]
wants = st.builds(DesiredContainer, st.booleans(), st.booleans(), st.booleans(), st.booleans())


def want(words: str) -> DesiredContainer:
    given_words = set(words.split())
    return DesiredContainer(
        "running" in given_words, "fresh" in given_words, "kept" in given_words, "restart" in given_words
    )


@pytest.mark.parametrize(
    ("words", "seen", "step"),
    [
        ("running fresh", None, "create"),
        ("fresh", None, "create"),
        ("running fresh", "created", "start"),
        ("fresh", "created", "rest"),
        ("running fresh", "exited", "start"),
        ("running fresh", "dead", "start"),
        ("running fresh", "running", "rest"),
        ("running", "running", "rest"),
        ("running", "exited", "rest"),
        ("running", None, "gone"),
        ("", None, "gone"),
        ("fresh", "running", "stop"),
        ("", "running", "rest"),
        ("", "paused", "rest"),
        ("running kept", "paused", "rest"),
        ("running fresh", "paused", "unpause"),
        ("fresh", "paused", "stop"),
        ("running restart", "paused", "restart"),
        ("fresh", "restarting", "stop"),
        ("running kept", None, "create"),
        ("running kept", "exited", "start"),
        ("running kept", "created", "start"),
        ("kept", "running", "stop"),
        ("kept", None, "rest"),
        ("kept fresh", None, "rest"),
        ("kept", "exited", "rest"),
        ("running restart", "running", "restart"),
        ("running fresh restart", "running", "restart"),
        ("running restart", "exited", "rest"),
        ("running restart kept", "exited", "start"),
        ("restart", "running", "rest"),
        ("running fresh", "removing", "wait"),
        ("kept", "removing", "wait"),
    ],
)
def test_the_next_step_from_everything_an_engine_shows(words: str, seen: str | None, step: str):
    assert next_step(want(words), seen) == step


@pytest.mark.parametrize("seen", SEEN)
def test_what_came_true_once_and_is_not_kept_is_never_touched_again(seen: str | None):
    for running in (True, False):
        assert next_step(DesiredContainer(running, pending=False, keep_running=False), seen) in {"rest", "gone", "wait"}


@given(wants, st.sampled_from(SEEN))
def test_steps_fit_what_is_there(goal: DesiredContainer, seen: str | None):
    step = next_step(goal, seen)
    if step in {"create", "gone"}:
        assert seen is None
    if step in {"stop", "restart"}:
        assert seen in RUNNING
    if step == "start":
        assert goal.running
        assert seen not in RUNNING


@given(wants)
def test_a_step_leads_to_rest(goal: DesiredContainer):
    leads = {"create": "running" if goal.running else "created", "start": "running", "stop": "exited", "wait": None}
    seen: str | None = "removing"
    for _ in range(4):
        step = next_step(goal, seen)
        if step in {"rest", "gone"}:
            return
        if step == "restart":
            goal = DesiredContainer(goal.running, goal.pending, goal.keep_running)  # the mark is seen
            continue
        seen = leads[step]
    pytest.fail(f"{goal} does not come to rest")


@pytest.mark.parametrize(("crashes", "seconds"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (7, 32), (8, 60), (500, 60)])
def test_the_pause_between_tries(crashes: int, seconds: float):
    assert crash_restart_delay(crashes) == seconds


@given(st.integers(0, 2000))
def test_the_pause_never_shrinks_and_ends_at_a_minute(crashes: int):
    assert 0 <= crash_restart_delay(crashes) <= crash_restart_delay(crashes + 1) <= 60


@pytest.mark.parametrize(
    ("action", "states"),
    [
        ("start", {"stopped", "error"}),
        ("restart", {"running"}),
        ("purge", {"removed"}),
        ("update", {"running", "stopped", "updating-running", "updating-stopped"}),
    ],
)
def test_when_an_action_is_there(action: str, states: set[str]):
    everything = {*CONTAINER.transitional, "running", "stopped", "error", "removed", "purged"}
    assert {state for state in everything if CONTAINER.allows(action, state)} == states


@pytest.mark.parametrize("state", ["creating", "running", "starting", "restarting", "updating-running"])
def test_what_is_under_way_can_be_stopped_and_removed(state: str):
    assert CONTAINER.allows("stop", state)
    assert CONTAINER.allows("remove", state)


@pytest.mark.parametrize("state", ["removed", "purged", "purging"])
def test_what_is_gone_comes_back_by_no_action(state: str):
    assert not any(CONTAINER.allows(action, state) for action in ("start", "stop", "restart", "remove", "update"))


def test_a_pull_is_asked_for_again_only_when_it_is_over():
    assert [state for state in ("pulling", "pulled", "error") if PULL.allows("again", state)] == ["pulled", "error"]
