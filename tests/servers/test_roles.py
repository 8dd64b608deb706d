"""Web, worker, beat and gateway as processes of their own on PostgreSQL and Redis: the same code, spread out."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import docker
import pytest

from tests.docker.portal_process import Api, wait_until
from tests.engine import PrivateEngine
from tests.servers.role_processes import RoleProcesses

pytestmark = pytest.mark.servers


@pytest.fixture
def terminal(engine: PrivateEngine) -> Iterator[docker.APIClient]:
    client = docker.APIClient(base_url=engine.url, version="auto", timeout=60)
    yield client
    client.close()


def state(terminal: docker.APIClient, row: Any) -> str:
    return str(terminal.inspect_container(row["externalId"])["State"]["Status"])


def test_a_change_waits_for_a_worker_and_a_killed_role_costs_only_time(
    roles: RoleProcesses, engine: PrivateEngine, terminal: docker.APIClient
):
    api = roles.prepare(engine.url)
    for name in ("web", "gateway", "worker", "beat"):
        roles.start(name)
    api.until_state(wait_until(lambda: api.get("hosts")["data"], seconds=60, what="the host")[0], "active")
    row = api.create("containers", name="patient", imageUuid="docker:bb:local")
    row = api.until_state(row, "running")

    _check_without_worker(api, roles, terminal, row)
    _check_killed_worker(api, roles, terminal)
    _check_lost_requeue(api, roles, terminal, row)
    _check_gateway_events(api, terminal, row)

    for name in ("worker", "beat", "gateway", "web"):
        assert roles.end(name) in {0, -signal.SIGTERM}, name
    assert roles.complaints() == []


def _check_without_worker(api: Api, roles: RoleProcesses, terminal: docker.APIClient, row: Any) -> None:
    assert roles.end("worker") == 0
    answer = api.act(row, "stop")
    assert (answer["state"], answer["transitioning"]) == ("stopping", "yes")
    time.sleep(4)
    assert api.reload(row)["state"] == "stopping"
    assert state(terminal, row) == "running"
    roles.start("worker")
    api.until_state(row, "stopped", seconds=60)
    assert state(terminal, row) == "exited"


def _check_killed_worker(api: Api, roles: RoleProcesses, terminal: docker.APIClient) -> None:
    """In the middle of a deployment: what it held is taken over once its leases run out, with no double."""
    _stack, service = api.deploy("spread", "web", 6)
    time.sleep(0.6)
    roles.end("worker", signal.SIGKILL)
    roles.let_leases_run_out()
    roles.start("worker")
    rows = api.until_running("spread_web_", 6, seconds=60)
    api.until_state(service, "active", seconds=60)
    listed = {each["Id"] for each in terminal.containers(all=True, filters={"name": "spread_web_"})}
    assert listed == {row["externalId"] for row in rows}


def _check_lost_requeue(api: Api, roles: RoleProcesses, terminal: docker.APIClient, row: Any) -> None:
    """The queue forgets everything: the clock finds what is to be done."""
    roles.end("worker")
    api.act(api.reload(row), "start")
    roles.empty_queue()
    roles.start("worker")
    api.until_state(row, "running", seconds=60)
    assert state(terminal, row) == "running"


def _check_gateway_events(api: Api, terminal: docker.APIClient, row: Any) -> None:
    terminal.kill(row["externalId"])
    api.until_state(row, "stopped", seconds=30)
