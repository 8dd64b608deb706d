"""An image that one real engine has and no registry: it comes to the engine that needs it, and is never held whole."""

from __future__ import annotations

import io
import os
import resource
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, Pull
from apps.containers.services import container_create
from apps.control.models import OperationLine
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.docker.engine import DockerDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import endpoint_of
from apps.hosts.services import host_create
from tests.docker.portal_process import wait_until
from tests.engine import remove_all_containers
from tests.fleet.fleet import Fleet
from tests.fleet.sshd import Sshd

pytestmark = pytest.mark.docker

MEGABYTE = 1_000_000


@pytest.fixture
def rows(lab: Environment, fleet: Fleet, sshd: Sshd) -> Iterator[list[Host]]:
    """Host 1 by its socket, host 2 through SSH."""
    keys = {"host_key": sshd.host_key, "private_key": sshd.private_key}
    made = [
        host_create(actor=None, environment=lab, url=fleet.hosts[1].url, name="h1"),
        host_create(actor=None, environment=lab, url=sshd.url, name="h2", tls=keys),
    ]
    yield made
    for row in made:
        registry.discard_driver(endpoint_of(row))


def test_it_comes_from_the_host_that_has_it(
    lab: Environment, fleet: Fleet, rows: list[Host], actor_of: Any, run_loop: Any
):
    run_loop()
    image = f"{fleet.switch.portal}:1/only:1"  # nobody listens there
    fleet.hosts[1].terminal.tag("bb:local", image)
    fields = {"imageUuid": f"docker:{image}", "requestedHostId": f"1h{rows[1].pk}"}
    config = LaunchConfig.from_wire(fields)
    made = container_create(actor=actor_of("alice"), environment=lab, config=config, name="needs-it")

    def running() -> bool:
        run_loop()
        return Container.all_objects.get(pk=made.pk).display_state == "running"

    try:
        wait_until(running, seconds=120, what="the container", pause=0.5)
        pull = Pull.all_objects.get()
        assert (pull.display_state, pull.sender) == ("pulled", None)
        operation_log = " / ".join(OperationLine.objects.values_list("text", flat=True))
        assert f"Copying {image} from h1 to h2" in operation_log
        assert [each["State"] for each in fleet.hosts[2].terminal.containers()] == ["running"]
    finally:
        for host in (fleet.hosts[1], fleet.hosts[2]):
            remove_all_containers(host.terminal)
            if host.terminal.images(image):
                host.terminal.remove_image(image)


def test_a_big_one_is_never_held_whole(fleet: Fleet, sshd: Sshd):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("blob")
        entry.size = 80 * MEGABYTE
        tar.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    one = fleet.hosts[1]
    one.terminal.import_image_from_data(buffer.getvalue(), repository="big", tag="1")
    del buffer
    source = DockerDriver(one.endpoint)
    target = DockerDriver(Endpoint(sshd.url, host_key=sshd.host_key, private_key=sshd.private_key))
    target.ping()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    target.load(source.save("big:1"))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert target.find_image("big:1") is not None
    assert grown < 40 * 1024, f"{grown} kB more"
    for driver in (source, target):
        driver.remove_image("big:1", force=True)
        driver.close()
