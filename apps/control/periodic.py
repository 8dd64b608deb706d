"""The jobs that run by the clock, by name; `celery_app/beat.py` is the table of how often each runs."""

from __future__ import annotations

from collections.abc import Callable

Job = Callable[[], object]

JOBS: dict[str, Job] = {}


def register_job(name: str, job: Job) -> None:
    """Have the worker run `job` whenever the table's row of that name is due."""
    JOBS[name] = job


def run_job(name: str) -> None:
    """Run one job now."""
    JOBS[name]()
