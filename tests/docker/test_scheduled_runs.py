"""A real engine: the runs of a scheduled service, with their ends as the engine says them."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

import docker
import pytest

from apps.containers.launch.config import LaunchConfig
from apps.environments.models import Environment
from apps.hosts.services import host_create
from apps.stacks.models import Service, ServiceRun
from apps.stacks.selectors import health_of
from apps.stacks.services import service_act, service_create, stack_create
from tests.engine import PrivateEngine

pytestmark = [pytest.mark.docker, pytest.mark.django_db]


def loop_until(run_loop: Callable[[], None], is_so: Callable[[], bool], row: Service) -> None:
    """Runs the loop, with the service and its runs due at once, until it is so."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        Service.all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
        for run in ServiceRun.objects.filter(service=row).select_related("container"):
            if run.container is not None:
                type(run.container).all_objects.filter(pk=run.container_id).update(next_attempt_at=row.created)
        run_loop()


@pytest.fixture
def client(engine: PrivateEngine) -> Iterator[docker.APIClient]:
    """The engine itself."""
    found = docker.APIClient(base_url=engine.url, version="auto", timeout=60)
    yield found
    found.close()


@pytest.fixture
def run_job(
    engine: PrivateEngine, lab: Environment, actor_of: Any, run_loop: Callable[[], None]
) -> Iterator[Callable[..., ServiceRun]]:
    """Makes a scheduled service of a command, runs it now, and waits for the end; at last the service is removed."""
    host_create(actor=None, environment=lab, url=engine.url, name="real")
    run_loop()
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="timed")
    made: list[Service] = []

    def run(command: str, **schedule: Any) -> ServiceRun:
        # A restart policy of its own would have the engine start it again.
        launch = {"command": ["sh", "-c", command], "restartPolicy": {"name": "always"}, "stopTimeout": 0}
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **launch})
        yearly = {"cron": "@yearly", **schedule}
        row = service_create(
            actor=actor_of("bob"), stack=stack, name="job", config=config, schedule=yearly, start_on_create=True
        )
        made.append(row)
        loop_until(run_loop, lambda: again(row).display_state == "active", row)
        service_act(again(row), "runnow", actor=actor_of("bob"))
        loop_until(run_loop, lambda: not ServiceRun.objects.get(service=row).is_live, row)
        return ServiceRun.objects.select_related("container").get(service=row)

    yield run
    for row in made:
        service_act(again(row), "remove", actor=actor_of("alice"))
        loop_until(run_loop, functools.partial(lambda row: again(row).removed is not None, row), row)


def again(row: Service) -> Service:
    """The service as it is now."""
    found: Service = Service.all_objects.get(pk=row.pk)
    return found


def test_a_run_ends_with_its_exit_code_and_keeps_its_log(
    run_job: Callable[..., ServiceRun], client: docker.APIClient
) -> None:
    run = run_job("echo worked; exit 3")
    assert (run.state, run.exit_code) == ("failed", 3)
    assert run.container is not None
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.started_at <= run.ended_at
    assert health_of(again(run.service)) == "degraded"
    seen = client.inspect_container(run.container.external_id)
    assert seen["HostConfig"]["RestartPolicy"]["Name"] in {"", "no"}
    assert seen["Config"]["Labels"]["io.corral.service.run"] == str(run.pk)
    assert client.logs(run.container.external_id) == b"worked\n"


def test_a_run_that_takes_too_long_is_stopped(run_job: Callable[..., ServiceRun], client: docker.APIClient) -> None:
    run = run_job("sleep 600", timeLimit=1)
    assert run.state == "timed-out"
    assert run.container is not None
    assert client.inspect_container(run.container.external_id)["State"]["Status"] == "exited"
