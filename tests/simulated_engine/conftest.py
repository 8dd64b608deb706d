"""What tests of the simulated engine may ask for."""

from __future__ import annotations

import pytest

from tests.simulated_engine.still_engine import StillEngine


@pytest.fixture
def still() -> StillEngine:
    """An engine on which nothing happens by itself."""
    return StillEngine()
