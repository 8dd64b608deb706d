"""What hosts say together of a container that they check: most of them have to agree, and its own host is heard."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.health_quorum import (
    DOUBT,
    HEALTHY,
    INITIALIZING,
    MOST_OTHERS,
    UNCHECKED,
    UNHEALTHY,
    JointReport,
    ReportedHealth,
    checking_hosts,
    join_reports,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = JointReport("")
WORDS = {"h": HEALTHY, "u": UNHEALTHY, "i": INITIALIZING, "c": UNCHECKED}


def joined(said: str, before: JointReport = NOTHING, *, at: float = 0, run: str = "r") -> JointReport:
    """What hosts say together of which the own one says the first letter; a dot says nothing."""
    reports = {host: ReportedHealth(WORDS[each], run, "why") for host, each in enumerate(said) if each != "."}
    return join_reports(range(len(said)), reports, before, NOW + timedelta(seconds=at))


WELL = joined("hhhh")


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("hhhh", HEALTHY),
        ("uuuu", UNHEALTHY),
        ("uuuh", UNHEALTHY),
        ("uhhh", HEALTHY),
        ("huhh", HEALTHY),
        ("uuhh", HEALTHY),  # nothing is agreed upon: what was stays
        ("hu", HEALTHY),
        ("uh", HEALTHY),
        ("uu", UNHEALTHY),
        ("uuh", UNHEALTHY),
        ("uhh", HEALTHY),
        ("uccc", UNHEALTHY),
        ("uucc", UNHEALTHY),
        ("cccc", UNCHECKED),
        ("u...", HEALTHY),
        ("uu..", HEALTHY),
        ("uuu.", UNHEALTHY),
    ],
)
def test_one_hosts_loss_of_sight_decides_nothing(said: str, state: str) -> None:
    assert WELL.state == HEALTHY
    assert joined(said, WELL).state == state


@pytest.mark.parametrize(
    ("said", "state"),
    [("h...", HEALTHY), ("i...", INITIALIZING), (".h..", INITIALIZING), ("u.", UNHEALTHY), ("hu", HEALTHY)],
)
def test_of_a_new_run_the_own_host_speaks_until_most_agree(said: str, state: str) -> None:
    assert joined(said).state == state
    if said[0] != ".":
        assert joined(said, JointReport(UNHEALTHY, "of before")).state == state


def test_a_run_that_others_still_speak_of_says_nothing_of_the_new_one() -> None:
    reports = {
        0: ReportedHealth(INITIALIZING, "new"),
        1: ReportedHealth(UNHEALTHY, "r"),
        2: ReportedHealth(UNHEALTHY, "r"),
    }
    found = join_reports([0, 1, 2], reports, WELL, NOW)
    assert (found.state, found.run) == (INITIALIZING, "new")


def test_what_its_own_host_denies_is_believed_after_a_while() -> None:
    doubted = joined("huuu", WELL)
    assert (doubted.state, doubted.doubted_since) == (HEALTHY, NOW)
    assert doubted.doubt_left(NOW) == DOUBT
    assert doubted.state_at(NOW + DOUBT) == UNHEALTHY
    assert "other hosts do not reach it" in doubted.reason
    still = joined("huuu", doubted, at=10)
    assert still.doubted_since == NOW, "counted from when it began"
    assert joined("hhhu", still, at=20).doubted_since is None
    assert joined("hhuu", still, at=20).doubted_since is None, "no longer most of them"
    assert joined("uuuu", still, at=20).state == UNHEALTHY, "its own host says so too: at once"
    assert JointReport.from_json(doubted.to_json()) == doubted


def test_a_host_that_checks_alone_is_read_as_before() -> None:
    assert JointReport.from_json({"state": "unhealthy", "run": "r", "reason": "x"}).state_at(NOW) == UNHEALTHY
    assert JointReport.from_json({}).state == ""


@given(st.text("huic.", min_size=2, max_size=4), st.text("huic.", min_size=2, max_size=4))
def test_it_never_takes_less_than_half_to_make_a_healthy_one_unhealthy(first: str, said: str) -> None:
    before = joined(first, WELL)
    found = joined(said, before)
    voting = [each for each in said if each != "c"]
    if found.state == UNHEALTHY and before.state == HEALTHY:
        assert 2 * said.count("u") > len(voting)
    if found.state == HEALTHY and before.state == UNHEALTHY:
        assert 2 * said.count("h") > len(voting)
    assert joined(said, found).to_json() == found.to_json(), "to hear it again changes nothing"


@given(st.integers(1, 500), st.sets(st.integers(1, 40), max_size=12), st.integers(1, 40))
def test_checking_hosts_stay_while_they_are_there(container: int, others: set[int], gone: int) -> None:
    own = 99
    found = checking_hosts(container, own, others)
    assert found[0] == own
    assert len(set(found)) == len(found) == 1 + min(MOST_OTHERS, len(others))
    left = checking_hosts(container, own, others - {gone})
    assert set(found) - {gone} <= set(left)


def test_the_work_is_shared_evenly() -> None:
    counts = dict.fromkeys(range(10), 0)
    for container in range(1000):
        for host in checking_hosts(container, 99, counts)[1:]:
            counts[host] += 1
    assert min(counts.values()) > 220, "300 each on average"
    assert max(counts.values()) < 380
