"""A portal that uses the private engine of the tests."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.docker.portal_process import Api, PortalProcess
from tests.engine import PrivateEngine, remove_all_containers


@pytest.fixture(scope="session")
def terminal(engine: PrivateEngine) -> Iterator[docker.APIClient]:
    """The engine as somebody at its own console uses it, past the portal."""
    client = docker.APIClient(base_url=engine.url, version="auto", timeout=60)
    yield client
    client.close()


@pytest.fixture(scope="session")
def new_portal() -> Iterator[Callable[..., PortalProcess]]:
    """Makes portals, each with an empty data folder; whatever of them still runs at the end is ended."""
    with tempfile.TemporaryDirectory(prefix="corral-docker-") as folder:
        made: list[PortalProcess] = []

        def make(engine_url: str, **extra: str) -> PortalProcess:
            made.append(PortalProcess(Path(folder) / f"portal{len(made)}", engine_url, **extra))
            made[-1].data_dir.mkdir()
            return made[-1]

        yield make
        for portal in made:
            if portal.process is not None:
                portal.end(signal.SIGKILL)
        if os.environ.get("KEEP_LOGS"):
            for portal in made:
                Path(f"/tmp/{portal.log.name}").write_bytes(portal.log.read_bytes())


@pytest.fixture(scope="module")
def portal(engine: PrivateEngine, new_portal: Callable[..., PortalProcess]) -> Iterator[PortalProcess]:
    """A running portal for the tests of one file."""
    running = new_portal(engine.url)
    running.start()
    yield running
    if running.process is not None:
        running.end(signal.SIGTERM)


@pytest.fixture(scope="module")
def api(portal: PortalProcess) -> Api:
    """A client with an environment key."""
    return portal.api()


@pytest.fixture(autouse=True)
def _clean_engine(terminal: docker.APIClient) -> Iterator[None]:
    """Nothing of one test is in the way of the next."""
    remove_all_containers(terminal)
    yield
    remove_all_containers(terminal)


@pytest.fixture
def listed_containers(terminal: docker.APIClient) -> Callable[[str], dict[str, dict[str, Any]]]:
    """What the engine lists under a name's beginning: summaries by name."""

    def list_containers(prefix: str = "") -> dict[str, dict[str, Any]]:
        listed = {each["Names"][0].lstrip("/"): each for each in terminal.containers(all=True)}
        return {name: each for name, each in listed.items() if name.startswith(prefix)}

    return list_containers
