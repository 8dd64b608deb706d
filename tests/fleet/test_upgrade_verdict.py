"""An upgrade over three hosts to a release that crashes: the old one serves all the time, and the policy goes back."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docker.judged_upgrades import CRASH, PREFIX, ROLLBACK, SERVE, rollbacks, serving_counts, upgrade
from tests.docker.portal_process import Api, PortalProcess, wait_until
from tests.drill.cluster import registration_url
from tests.drill.host_agent import HostAgent
from tests.fleet.fleet import Fleet

pytestmark = pytest.mark.docker

SCALE = 6


@pytest.fixture
def api(fleet: Fleet, tmp_path: Path) -> Iterator[Api]:
    """A portal with three hosts, each behind its agent."""
    portal = PortalProcess(tmp_path / "portal", "unix:///nonexistent.sock", BIND=fleet.switch.portal)
    portal.data_dir.mkdir()
    portal.start()
    agents = [HostAgent(host) for host in fleet.hosts.values()]
    made = portal.api()
    url = registration_url(made)
    for each in agents:
        each.start(url)
    wait_until(lambda: _active_hosts(made) == len(agents), seconds=120, what="three hosts", pause=0.2)
    yield made
    portal.end(signal.SIGKILL)
    for each in agents:
        each.end(signal.SIGKILL)


def _active_hosts(api: Api) -> int:
    rows = api.get("hosts")["data"]
    return sum(row["state"] == "active" and row["agentState"] == "active" for row in rows)


def on_engines(fleet: Fleet) -> dict[str, tuple[str, str, str]]:
    """What is on the engines, whatever its state: host, name and state by the engine's id."""
    return {
        each["Id"]: (host.name, each["Names"][0], each["State"])
        for host in fleet.hosts.values()
        for each in host.terminal.containers(all=True)
        if each["Names"][0].startswith(f"/{PREFIX}")
    }


def test_a_release_that_crashes_on_three_hosts_is_rolled_back_by_the_policy_while_the_old_one_serves(
    api: Api, fleet: Fleet
) -> None:
    _stack, service = api.deploy("judged", "web", SCALE, command=SERVE, ports=[])
    api.until_running(PREFIX, SCALE)
    api.until_state(service, "active")
    before = on_engines(fleet)
    assert {host for host, _name, _state in before.values()} == {"h1", "h2", "h3"}
    with serving_counts(*(host.url for host in fleet.hosts.values())) as seen:
        upgrade(api, service, CRASH, ROLLBACK, batchSize=3)
        wait_until(lambda: on_engines(fleet).keys() > before.keys(), seconds=60, what="containers of the new release")
        wait_until(lambda: rollbacks(api), seconds=90, what="rolled back by its policy", pause=0.2)
        row = api.until_state(service, "active")
        wait_until(lambda: on_engines(fleet).keys() == before.keys(), seconds=60, what="none of the new release left")
    assert min(seen) >= SCALE
    assert on_engines(fleet) == before, "the very same containers run, under their names"
    assert {state for _host, _name, state in before.values()} == {"running"}
    assert row["launchConfig"]["command"] == SERVE
    assert "exit code 3" in str(rollbacks(api)[0]["requestObject"])
