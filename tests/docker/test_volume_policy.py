"""A real engine's volumes under the host policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import driver_of
from apps.hosts.services import host_create
from tests.engine import PrivateEngine

pytestmark = pytest.mark.docker


@pytest.fixture
def real_host(lab: Environment, engine: PrivateEngine, run_loop: Callable[[], None]) -> Iterator[Host]:
    """A host of the lab on the private engine, with a volume that is the host's /etc."""
    terminal = docker.APIClient(base_url=engine.url, version="auto")
    terminal.create_volume("evil", "local", {"type": "none", "o": "bind", "device": "/etc"})
    row = host_create(actor=None, environment=lab, url=engine.url, name="real")
    run_loop()
    row.refresh_from_db()
    yield row
    for seen in driver_of(row).containers():
        driver_of(row).remove(seen.id)
    terminal.remove_volume("evil")


def test_a_volume_that_is_a_folder_of_the_host_is_refused(
    real_host: Host, lab: Environment, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    rows = {}
    for name, volume in (("thief", "evil:/host"), ("honest", "data:/data")):
        config = LaunchConfig.from_wire(
            {"imageUuid": "docker:bb:local", "command": ["sleep", "60"], "dataVolumes": [volume]}
        )
        rows[name] = container_create(actor=actor_of("bob"), environment=lab, config=config, name=name)
    run_loop()
    states = {name: Container.all_objects.get(pk=row.pk).display_state for name, row in rows.items()}
    assert states == {"thief": "error", "honest": "running"}
    assert "/etc may not be mounted" in Container.all_objects.get(name="thief").message
    assert [seen.name.lstrip("/") for seen in driver_of(real_host).containers()] == ["honest"]
