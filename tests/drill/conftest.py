"""The drill ground, and the table of outcomes at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.drill.cluster import DrillCluster
from tests.drill.drill_results import DrillResults
from tests.fleet.fleet import Fleet

_RESULTS = DrillResults()
RecordDrill = Callable[[str, str, str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def cluster(fleet: Fleet) -> Iterator[DrillCluster]:
    """A portal, three hosts with agents, and the service deployed."""
    made = DrillCluster.prepare(fleet, fleet.folder / "disk")
    try:
        made.deploy()
        yield made
    finally:
        made.close()
        for engine in fleet.engines.values():
            engine.remove_containers()


@pytest.fixture
def drill() -> RecordDrill:
    """Times a block and notes its outcome, if it comes to its end."""

    @contextlib.contextmanager
    def run(name: str, act: str, outcome: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        _RESULTS.add(name, act, outcome, time.monotonic() - began)

    return run


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table."""
    if _RESULTS.rows:
        terminalreporter.section("drills")
        for line in _RESULTS.table():
            terminalreporter.write_line(line)
