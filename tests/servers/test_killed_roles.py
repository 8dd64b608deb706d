"""The drill of the scaled-out portal: web, worker and gateway killed one after the other, hosts behind agents."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.drill.cluster import SERVICE, STACK, DrillCluster
from tests.drill.host_agent import HostAgent
from tests.drill.killed_upgrades import TURNS, play_turns
from tests.drill.upgrade_drill import UpgradedService
from tests.fleet.fleet import Fleet
from tests.servers.role_processes import RoleProcesses

pytestmark = [pytest.mark.servers, pytest.mark.docker, pytest.mark.drill]

COUNT = 3


@pytest.fixture
def spread(roles: RoleProcesses, fleet: Fleet) -> Iterator[DrillCluster]:
    """The roles, and three hosts with agents that reach the web role."""
    roles.listen(fleet.switch.portal)
    api = roles.prepare()
    for name in ("web", "gateway", "worker", "beat"):
        roles.start(name)
    agents = {number: HostAgent(host) for number, host in fleet.hosts.items()}
    for host in fleet.hosts.values():
        host.run("rm", "-rf", "/var/lib/rancher/corral")
    made = DrillCluster(fleet, roles, api, agents)  # type: ignore[arg-type]  # it stands where a portal would
    try:
        made.register()
        yield made
    finally:
        for agent in agents.values():
            agent.end(signal.SIGKILL)
        for engine in fleet.engines.values():
            engine.remove_containers()


def test_each_role_may_be_killed(spread: DrillCluster, roles: RoleProcesses):
    spread.api.deploy(STACK, SERVICE, COUNT)
    before = spread.wait_until_consistent(COUNT)

    _killed(roles, "web")
    spread.wait_for_hosts(active=3, seconds=60)
    spread.check_responsive(COUNT)
    assert spread.wait_until_consistent(COUNT).keys() == before.keys()

    spread.scale(COUNT + 3)
    time.sleep(0.5)
    roles.end("worker", signal.SIGKILL)  # in the middle of it: what it held is taken over once its leases run out
    roles.let_leases_run_out()
    roles.start("worker")
    more = spread.wait_until_consistent(COUNT + 3, seconds=150)
    assert {name: more[name]["id"] for name in before} == {name: each["id"] for name, each in before.items()}

    _killed(roles, "gateway")
    name, was = min(more.items())
    host = next(each for each in spread.fleet.hosts.values() if each.name == was["host"])
    host.terminal.remove_container(was["id"], force=True)
    after = spread.wait_until_consistent(COUNT + 3, seconds=90)
    assert after[name]["host"] == was["host"]
    assert {n: e["id"] for n, e in after.items() if n != name} == {n: e["id"] for n, e in more.items() if n != name}


@pytest.mark.skipif(not TURNS, reason="make drill-upgrades: minutes, at random moments")
def test_upgrades_while_roles_are_killed_at_any_moment(spread: DrillCluster, roles: RoleProcesses) -> None:
    def kill(name: str, down: float) -> None:
        roles.end(name, signal.SIGKILL)
        time.sleep(down)
        roles.start(name)

    portal = {name: partial(kill, name) for name in ("worker", "web", "gateway", "beat")}
    play_turns(UpgradedService.deploy(spread, 5), portal)


def _killed(roles: RoleProcesses, name: str) -> None:
    roles.end(name, signal.SIGKILL)
    roles.start(name)
