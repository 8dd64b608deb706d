"""The drill ground, and the table of outcomes at the end."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests.drill.ground import Ground
from tests.drill.ledger import Ledger
from tests.fleet.fleet import Fleet

_LEDGER = Ledger()
Tell = Callable[[str, str, str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def ground(fleet: Fleet) -> Iterator[Ground]:
    """A portal, three hosts with agents, and the service deployed."""
    made = Ground.prepared(fleet, fleet.folder / "disk")
    try:
        made.deploy()
        yield made
    finally:
        made.close()
        for engine in fleet.engines.values():
            engine.empty()


@pytest.fixture
def drill() -> Tell:
    """Times a block and notes its outcome, if it comes to its end."""

    @contextlib.contextmanager
    def run(name: str, act: str, outcome: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        _LEDGER.tell(name, act, outcome, time.monotonic() - began)

    return run


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table."""
    if _LEDGER.rows:
        terminalreporter.section("drills")
        for line in _LEDGER.table():
            terminalreporter.write_line(line)
