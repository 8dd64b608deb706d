"""The health of services and stacks: decided in one place, the worst part counts."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.stacks.health import SEVERITY, Unit, service_health, stack_health, unit_health, wire_health

UNITS = st.builds(
    Unit,
    st.sampled_from(["requested", "creating", "starting", "running", "restarting", "stopped", "paused", "error"]),
    st.sampled_from(["", "healthy", "initializing", "unhealthy"]),
    is_failing=st.booleans(),
    is_lost=st.booleans(),
    is_over=st.booleans(),
    has_failed=st.booleans(),
)
GOOD = Unit("running")
WORDS = st.sampled_from([*SEVERITY, "stopped"])


def severity(word: str) -> int:
    return SEVERITY.index(word)


@pytest.mark.parametrize(
    ("unit", "health"),
    [
        (Unit("running"), "healthy"),
        (Unit("running", "healthy"), "healthy"),
        (Unit("running", "initializing"), "initializing"),
        (Unit("running", "unhealthy"), "unhealthy"),
        (Unit("running", is_failing=True), "unhealthy"),
        (Unit("running", is_lost=True), "unknown"),
        (Unit("restarting", is_failing=True), "unhealthy"),
        (Unit("restarting"), "initializing"),
        (Unit("creating", is_failing=True), "unhealthy"),
        (Unit("error"), "unhealthy"),
        (Unit("paused"), "degraded"),
        (Unit("stopped"), "initializing"),
        (Unit("stopped", is_over=True), "completed"),
        (Unit("stopped", is_over=True, has_failed=True), "unhealthy"),
    ],
)
def test_the_health_of_one_container(unit: Unit, health: str):
    assert unit_health(unit) == health


CRASHING, LOST, DONE = Unit("restarting", is_failing=True), Unit("running", is_lost=True), Unit("stopped", is_over=True)


@pytest.mark.parametrize(
    ("scale", "units", "health"),
    [
        (2, [GOOD, GOOD], "healthy"),
        (2, [CRASHING, CRASHING], "unhealthy"),
        (2, [CRASHING, GOOD], "degraded"),
        (2, [LOST, LOST], "unknown"),
        (2, [LOST, GOOD], "degraded"),
        (2, [LOST, CRASHING], "unhealthy"),
        (2, [GOOD], "initializing"),
        (2, [CRASHING], "unhealthy"),
        (2, [], "initializing"),
        (0, [], "healthy"),
        (1, [DONE], "completed"),
        (2, [DONE, GOOD], "healthy"),
    ],
)
def test_the_health_of_a_service(scale: int, units: list[Unit], health: str):
    assert service_health("active", scale, units) == health
    assert service_health("inactive", scale, units) == "stopped"


@given(st.lists(UNITS, max_size=6), st.integers(0, 6))
def test_a_service_is_healthy_only_if_everything_in_it_is(units: list[Unit], scale: int):
    found = {unit_health(unit) for unit in units} | ({"initializing"} if scale > len(units) else set())
    is_well = service_health("active", scale, units) in {"healthy", "completed"}
    assert is_well == (found <= {"healthy", "completed"})


@given(st.lists(UNITS, max_size=6), UNITS, st.randoms(use_true_random=False))
def test_one_more_bad_container_never_makes_a_service_well_and_order_does_not_count(
    units: list[Unit], bad: Unit, random: Random
):
    more = [*units, bad]
    random.shuffle(more)
    health = service_health("active", len(more), more)
    assert health == service_health("active", len(more), [*units, bad])
    if unit_health(bad) not in {"healthy", "completed"}:
        assert health not in {"healthy", "completed"}


@given(st.lists(WORDS, max_size=6))
def test_the_worst_service_that_is_wanted_decides_about_its_stack(words: list[str]):
    wanted = [word for word in words if word != "stopped"]
    if not wanted:
        assert stack_health(words) == ("stopped" if words else "healthy")
        return
    worst = max(map(severity, wanted))
    expected = "healthy" if SEVERITY[worst] == "completed" and "healthy" in wanted else SEVERITY[worst]
    assert stack_health(words) == expected


@given(WORDS)
def test_the_contract_hears_its_own_words_and_never_healthy_for_what_is_not(word: str):
    told = wire_health(word)
    assert told in {"healthy", "unhealthy", "degraded", "initializing", "started-once"}
    assert (told == "healthy") == (word == "healthy")
