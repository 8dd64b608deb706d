"""Real engines: a service with one container on each of three hosts, and a job that runs once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import docker
import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.drivers.registry import get_driver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_act, host_create
from apps.stacks.models import Service, Stack
from apps.stacks.selectors import health_of
from apps.stacks.services import service_act, service_create, stack_create
from tests.engine import PrivateEngine
from tests.fleet.fleet import Fleet

pytestmark = [pytest.mark.docker, pytest.mark.django_db]


@pytest.fixture
def stack(lab: Environment, actor_of: Any) -> Stack:
    return stack_create(actor=actor_of("bob"), environment=lab, name="kinds")


@pytest.fixture
def serve(stack: Stack, actor_of: Any) -> Callable[..., Service]:
    """Makes an active service."""

    def make(name: str, label: str, command: list[str]) -> Service:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "command": command, "labels": {label: "true"}})
        return service_create(actor=actor_of("bob"), stack=stack, name=name, config=config, start_on_create=True)

    return make


def names_on(url: str) -> list[str]:
    """The running containers of the stack on an engine."""
    client = docker.APIClient(base_url=url, version="auto", timeout=60)
    try:
        return sorted(each["Names"][0] for each in client.containers() if each["Names"][0].startswith("/kinds_"))
    finally:
        client.close()


def loop_until(run_loop: Callable[[], None], is_so: Callable[[], bool], *rows: Any) -> None:
    """Runs the loop, with the rows due at once, until it is so."""
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        for row in rows:
            type(row).all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
        run_loop()


def test_one_on_each_of_three_hosts(
    fleet: Fleet, lab: Environment, serve: Any, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    three = [fleet.hosts[number].url for number in (1, 2, 3)]

    def add(at: int) -> Host:
        row = host_create(actor=None, environment=lab, url=three[at], name=f"real{at}")
        run_loop()
        return row

    first, _second = add(0), add(1)
    row = serve("agent", "io.rancher.scheduler.global", ["sleep", "600"])
    loop_until(run_loop, lambda: [len(names_on(each)) for each in three] == [1, 1, 0], row)
    add(2)
    loop_until(run_loop, lambda: [len(names_on(each)) for each in three] == [1, 1, 1], row)
    first.refresh_from_db()
    host_act(first, "evacuate", actor=actor_of("alice"))
    loop_until(run_loop, lambda: [len(names_on(each)) for each in three] == [0, 1, 1], first, row)
    row.refresh_from_db()
    service_act(row, "remove", actor=actor_of("bob"))
    loop_until(run_loop, lambda: not any(names_on(each) for each in three), row)


@pytest.mark.parametrize(("code", "health"), [(0, "completed"), (3, "unhealthy")])
def test_a_job_runs_once(
    engine: PrivateEngine, lab: Environment, serve: Any, actor_of: Any, run_loop: Callable[[], None], code: int,
    health: str,
) -> None:  # fmt: skip
    host_create(actor=None, environment=lab, url=engine.url, name="real")
    run_loop()
    driver = get_driver(engine.endpoint)
    row = serve("job", "io.rancher.container.start_once", ["sh", "-c", f"exit {code}"])

    def container() -> Container:
        found: Container = Container.all_objects.get(spread_key=str(row.uuid))
        return found

    loop_until(run_loop, lambda: bool(Container.all_objects.filter(spread_key=str(row.uuid))), row)
    loop_until(run_loop, lambda: container().final_exit_code == code, row, container())
    ran = driver.inspect(container().external_id)
    for _ in range(3):
        Service.all_objects.filter(pk=row.pk).update(next_attempt_at=row.created)
        Container.all_objects.filter(pk=container().pk).update(next_attempt_at=row.created)
        run_loop()
    row.refresh_from_db()
    assert (health_of(row), container().display_state) == (health, "stopped")
    assert driver.inspect(container().external_id).started_at == ran.started_at
    service_act(row, "remove", actor=actor_of("bob"))
    loop_until(run_loop, lambda: container().removed is not None, row)
