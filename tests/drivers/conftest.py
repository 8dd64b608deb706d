"""The engines that conformance tests run on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.drivers.base import Driver, Endpoint, EngineConflict
from apps.drivers.docker.engine import DockerDriver
from apps.drivers.simulated.engine import SimulatedDriver
from tests.agent.loop_thread import simulated_engine_socket
from tests.fleet.sshd import Sshd


@pytest.fixture(
    params=[
        "simulated",
        pytest.param("agent", marks=pytest.mark.faces),
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("ssh", marks=pytest.mark.docker),
    ]
)
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    """The engine in memory, the one of simulated hosts (behind their agent's proxy), and real ones."""
    if request.param == "simulated":
        made = SimulatedDriver("conformance")
        made.tick = 0.05
        yield made
        return
    if request.param == "agent":
        with simulated_engine_socket(tmp_path) as path:
            simulated = DockerDriver(Endpoint(f"unix://{path}"))
            yield simulated
            simulated.close()
        return
    real = DockerDriver(_endpoint(request))
    yield real
    _remove_all(real)
    real.close()


def _remove_all(driver: Driver) -> None:
    """Remove every container, though the engine may be removing some by itself: those of a build that was closed."""
    deadline = time.monotonic() + 60
    while left := driver.containers():
        for seen in left:
            try:
                driver.remove(seen.id)
            except EngineConflict:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def _endpoint(request: pytest.FixtureRequest) -> Endpoint:
    if request.param == "docker":
        local: Endpoint = request.getfixturevalue("engine").endpoint
        return local
    server: Sshd = request.getfixturevalue("sshd")
    return Endpoint(server.url, host_key=server.host_key, private_key=server.private_key)
