"""The engines that conformance tests run on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apps.drivers.base import (
    Driver,
)
from apps.drivers.docker_engine import DockerDriver
from apps.drivers.simulated import SimulatedDriver


@pytest.fixture(params=["simulated", pytest.param("docker", marks=pytest.mark.docker)])
def driver(request: pytest.FixtureRequest) -> Iterator[Driver]:
    if request.param == "simulated":
        made = SimulatedDriver("conformance")
        made.tick = 0.05
        yield made
        return
    real = DockerDriver(request.getfixturevalue("engine").endpoint)
    yield real
    for seen in real.containers():
        real.remove(seen.id)
    real.close()
