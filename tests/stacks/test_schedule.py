"""Schedules as clients, labels and rows say them, and what becomes of due times: pure functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.stacks.cron import DueTimes
from apps.stacks.run_plan import CATCH_UP, GRACE, MISSED, SKIPPED, WAITING, is_replaced, plan_due
from apps.stacks.schedule import (
    OVERLAPS,
    SCHEDULE_LABEL,
    Schedule,
    schedule_from_labels,
    since_of,
    starting,
    with_schedule_labels,
)

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
CONFIG = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": {"team": "a"}})
schedules = st.builds(
    Schedule,
    cron=st.sampled_from(["*/5 * * * *", "30 3 * * MON-FRI"]),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin"]),
    overlap=st.sampled_from(OVERLAPS),
    keep_runs=st.integers(1, 100),
    time_limit=st.one_of(st.none(), st.integers(1, 10**6)),
    catch_up=st.booleans(),
)


def test_what_is_not_said_is_the_default() -> None:
    assert Schedule.from_wire({"cron": "0 3 * * *"}) == Schedule("0 3 * * *", "UTC", "skip", 5, None, catch_up=False)
    assert Schedule.from_wire(None) is None


@pytest.mark.parametrize(
    ("sent", "field", "code"),
    [
        ({"timeZone": "UTC"}, "schedule.cron", "MissingRequired"),
        ({"cron": "nonsense"}, "schedule.cron", "InvalidFormat"),
        ({"cron": "0 3 * * *", "timeZone": "Mars/Base"}, "schedule.timeZone", "InvalidOption"),
        ({"cron": "0 3 * * *", "overlap": "queue"}, "schedule.overlap", "InvalidOption"),
        ({"cron": "0 3 * * *", "overlap": ["skip"]}, "schedule.overlap", "InvalidOption"),
        ({"cron": "0 3 * * *", "keepRuns": 0}, "schedule.keepRuns", "MinLimitExceeded"),
        ({"cron": "0 3 * * *", "keepRuns": 101}, "schedule.keepRuns", "MaxLimitExceeded"),
        ({"cron": "0 3 * * *", "timeLimit": 0}, "schedule.timeLimit", "MinLimitExceeded"),
        ({"cron": "0 3 * * *", "timeLimit": "soon"}, "schedule.timeLimit", "InvalidFormat"),
        ({"cron": "0 3 * * *", "catchUp": "maybe"}, "schedule.catchUp", "InvalidFormat"),
    ],
)
def test_what_is_wrong_is_named_by_its_field(sent: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        Schedule.from_wire(sent)
    assert (caught.value.field, caught.value.code) == (field, code)


@given(schedules)
def test_a_schedule_comes_back_from_everywhere_it_is_written(schedule: Schedule) -> None:
    assert Schedule.from_wire(schedule.to_wire()) == schedule
    stored = schedule.to_json(NOON)
    assert (Schedule.from_json(stored), since_of(stored)) == (schedule, NOON)
    later = starting(stored, NOON + GRACE)
    assert (Schedule.from_json(later), since_of(later)) == (schedule, NOON + GRACE)
    labels = with_schedule_labels(CONFIG, schedule).labels
    assert schedule_from_labels(labels) == schedule
    assert with_schedule_labels(with_schedule_labels(CONFIG, schedule), None) == CONFIG


def test_labels_say_only_what_is_not_the_default() -> None:
    labels = with_schedule_labels(CONFIG, Schedule("0 3 * * *", overlap="wait")).labels
    assert labels == {"team": "a", SCHEDULE_LABEL: "0 3 * * *", f"{SCHEDULE_LABEL}.overlap": "wait"}
    assert schedule_from_labels({"team": "a"}) is None


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({SCHEDULE_LABEL: ""}, "io.corral.schedule: "),
        ({SCHEDULE_LABEL: "99 * * * *"}, "is no minute"),
        ({SCHEDULE_LABEL: "@daily", f"{SCHEDULE_LABEL}.keep_runs": "many"}, "keep_runs: 'many' is no whole number"),
        ({SCHEDULE_LABEL: "@daily", f"{SCHEDULE_LABEL}.catch_up": "x"}, "catch_up: 'x' is neither true nor false"),
        ({SCHEDULE_LABEL: "@daily", f"{SCHEDULE_LABEL}.time_zone": "X"}, "io.corral.schedule.time_zone: 'X' is"),
        ({SCHEDULE_LABEL: "* *"}, "io.corral.schedule: '* *' has 2 parts"),
        ({SCHEDULE_LABEL: "@daily", f"{SCHEDULE_LABEL}.keep_runs": "0"}, "io.corral.schedule.keep_runs must not be"),
        ({f"{SCHEDULE_LABEL}.time_zone": "UTC"}, "says nothing without io.corral.schedule: add that label"),
    ],
)
def test_a_bad_label_is_named(labels: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid) as caught:
        schedule_from_labels(labels)
    assert caught.value.field == "labels"
    assert words in caught.value.message


HOURLY = {overlap: Schedule("0 * * * *", overlap=overlap) for overlap in OVERLAPS}


def plan(overlap: str, due: DueTimes | None, *, busy: bool = False, waits: bool = False, catch_up: bool = False) -> Any:
    schedule = Schedule("0 * * * *", overlap=overlap, catch_up=catch_up)
    return [
        (each.state, each.due, each.count, each.trigger)
        for each in plan_due(schedule, due, NOON, is_busy=busy, is_one_waiting=waits)
    ]


def test_what_is_due_runs_and_while_one_goes_on_the_policy_decides() -> None:
    due = DueTimes(NOON, NOON, 1)
    assert plan("skip", None) == []
    for overlap in OVERLAPS:
        assert plan(overlap, due) == [(WAITING, NOON, 1, "schedule")]
        assert plan(overlap, due, busy=True, waits=True) == [(SKIPPED, NOON, 1, "schedule")]
    assert plan("skip", due, busy=True) == [(SKIPPED, NOON, 1, "schedule")]
    assert plan("wait", due, busy=True) == [(WAITING, NOON, 1, "schedule")]
    assert plan("replace", due, busy=True) == [(WAITING, NOON, 1, "schedule")]
    assert is_replaced(HOURLY["replace"], is_one_waiting=True)
    assert not is_replaced(HOURLY["replace"], is_one_waiting=False)
    assert not is_replaced(HOURLY["wait"], is_one_waiting=True)


def test_of_several_due_times_the_last_one_runs_and_the_others_were_missed() -> None:
    due = DueTimes(NOON - timedelta(hours=3), NOON, 4)
    missed = (MISSED, NOON - timedelta(hours=1), 3, "schedule")
    assert plan("skip", due) == [missed, (WAITING, NOON, 1, "schedule")]


def test_what_is_late_was_missed_unless_the_last_one_is_caught_up() -> None:
    late = NOON - GRACE - timedelta(seconds=1)
    due = DueTimes(late, late, 1)
    assert plan("skip", due) == [(MISSED, late, 1, "schedule")]
    assert plan("skip", due, catch_up=True) == [(WAITING, late, 1, CATCH_UP)]
    in_time = DueTimes(NOON - GRACE, NOON - GRACE, 1)
    assert plan("skip", in_time) == [(WAITING, NOON - GRACE, 1, "schedule")]
    several = DueTimes(late - timedelta(hours=5), late, 6)
    assert plan("skip", several) == [(MISSED, late, 6, "schedule")]


@given(schedules, st.integers(0, 10**7), st.integers(0, 10**5), st.booleans(), st.booleans())
def test_each_due_time_is_entered_once_and_one_run_starts_at_most(
    schedule: Schedule, before: int, after: int, busy: bool, waits: bool
) -> None:
    start = NOON - timedelta(seconds=before)
    now = NOON + timedelta(seconds=after)
    due = schedule.due_between(start, now)
    new = plan_due(schedule, due, now, is_busy=busy, is_one_waiting=waits)
    times = [each.due for each in new]
    assert times == sorted(set(times))
    assert sum(each.state == WAITING for each in new) <= 1
    if due is not None:
        assert sum(each.count for each in new) == due.count
        assert times[-1] == due.last
        assert all(due.first <= each.first_due <= each.due <= due.last for each in new)
    else:
        assert new == ()
