"""The table of the clock: every row has a job, every job has a row, and nothing else runs by the clock."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from apps.control import periodic, tasks
from celery_app import app
from celery_app.beat import PERIODS, SCHEDULE

ROOT = Path(__file__).resolve().parents[2]


def test_every_row_of_the_table_has_a_job_and_every_job_a_row():
    assert set(periodic.JOBS) == set(PERIODS)


def test_one_message_in_two_seconds_wakes_the_worker_and_the_rest_is_rare():
    periods = sorted(PERIODS.values())
    assert periods[0] == 2
    assert sum(60 / period for period in periods[1:]) <= 13  # messages a minute


@pytest.mark.parametrize("name", SCHEDULE)
def test_every_row_names_a_task_that_there_is_and_is_dropped_when_it_waits_too_long(name: str):
    row = SCHEDULE[name]
    assert (row["task"], row["args"]) == (tasks.periodic.name, (name,))
    assert row["schedule"] < row["options"]["expires"] <= 3600
    assert app.conf.beat_schedule[name] == row


@pytest.mark.parametrize("name", PERIODS)
def test_every_job_runs_on_an_empty_installation(name: str, db: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "close_old_connections", lambda: None)
    tasks.periodic(name)


def test_a_job_that_nobody_registered_is_an_error(monkeypatch: pytest.MonkeyPatch):
    ran: list[Any] = []
    monkeypatch.setattr(periodic, "JOBS", {"known": lambda: ran.append(1)})
    periodic.run_job("known")
    assert ran == [1]
    with pytest.raises(KeyError):
        periodic.run_job("unknown")


def test_only_control_has_tasks():
    """A task elsewhere could be called past the lease; the loop and the table are the two ways to run later."""
    found = {
        str(path.relative_to(ROOT))
        for folder in ("apps", "portal")
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name) and node.id == "shared_task"
    }
    assert found == {"apps/control/tasks.py"}
