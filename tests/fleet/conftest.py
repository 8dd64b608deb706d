"""What is empty before each test of the fleet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fleet.fleet import Fleet


@pytest.fixture(autouse=True)
def _clean_engines(fleet: Fleet) -> Iterator[None]:
    """No test's containers are in the way of the next."""
    yield
    fleet.remove_containers()
