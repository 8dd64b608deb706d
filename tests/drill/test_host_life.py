"""A host is emptied while its portal dies, and a lost one returns to replaced containers: never a copy too many."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.portal_process import wait_until
from tests.drill.cluster import DrillCluster

pytestmark = [pytest.mark.docker, pytest.mark.drill]

SCALE, PREFIX = 3, "fold_web_"
Copy = tuple[str, str, str]


@pytest.fixture(scope="module")
def fold(cluster: DrillCluster) -> Iterator[Any]:
    """A service of three containers, all on h1, beside the six that are everywhere."""
    cluster.wait_until_consistent()
    for name in ("h2", "h3"):
        cluster.api.act(cluster.hosts()[name], "deactivate")
    cluster.wait_for_hosts(active=1)
    stack, service = cluster.api.deploy("fold", "web", SCALE)
    cluster.api.until_running(PREFIX, SCALE)
    for name in ("h2", "h3"):
        cluster.api.act(cluster.hosts()[name], "activate")
    cluster.wait_for_hosts(active=3)
    assert [host for _, host, _ in copies(cluster)] == ["h1"] * SCALE
    yield service
    cluster.api.delete(cluster.api.reload(stack))
    wait_until(lambda: not copies(cluster), seconds=120, what="the stack gone")
    cluster.wait_until_consistent()


def copies(cluster: DrillCluster) -> list[Copy]:
    """(name, host, state) of every copy on every engine that is on, whether the portal knows it or not."""
    on = [host for host in cluster.fleet.hosts.values() if host.pid]
    found = [(host, each) for host in on for each in host.terminal.containers(all=True, filters={"name": PREFIX})]
    return sorted((each["Names"][0].lstrip("/"), host.name, each["State"]) for host, each in found)


def on(host: str, found: list[Copy]) -> list[Copy]:
    return [each for each in found if each[1] == host]


def running(found: list[Copy]) -> list[Copy]:
    return [each for each in found if each[2] == "running"]


def run_once(cluster: DrillCluster, hosts: set[str], *, seconds: float, besides: str = "") -> list[Copy]:
    """The copies, once each of the three runs exactly once, on one of `hosts`, and the portal shows just that.

    What is on the host `besides` is not counted.
    """
    names = [f"{PREFIX}{number}" for number in range(1, SCALE + 1)]

    def check() -> list[Copy]:
        there = [each for each in copies(cluster) if each[1] != besides]
        running_names = [row["name"] for row in cluster.api.containers(PREFIX) if row["state"] == "running"]
        runs = [(name, state) for name, _, state in there] == [(name, "running") for name in names]
        return there if runs and running_names == names and {host for _, host, _ in there} <= hosts else []

    try:
        return wait_until(check, seconds=seconds, what="three copies", pause=0.3)
    except AssertionError:
        host_states = {name: (row["state"], row["transitioningMessage"]) for name, row in cluster.hosts().items()}
        raise AssertionError(f"not {SCALE} on {hosts}: {copies(cluster)}; {host_states}") from None


def test_a_host_is_emptied_while_the_portal_is_killed(cluster: DrillCluster, drill: Any, fold: Any):
    with drill("E1", "h1 evacuated, portal killed in the middle", "3 run elsewhere; no double, no orphan"):
        cluster.api.act(cluster.hosts()["h1"], "evacuate")
        wait_until(
            lambda: any(host != "h1" for _, host, _ in copies(cluster)), seconds=60, what="a successor", pause=0.02
        )
        cluster.portal.end(signal.SIGKILL)
        there = copies(cluster)
        assert {"h1"} < {host for _, host, _ in there}, f"killed in the middle: {there}"
        assert {name for name, _, state in there if state == "running"} == {f"{PREFIX}{n}" for n in (1, 2, 3)}
        cluster.portal.start()
        wait_until(lambda: cluster.hosts()["h1"]["state"] == "inactive", seconds=120, what="h1 emptied", pause=0.3)
        run_once(cluster, {"h2", "h3"}, seconds=60)
        assert cluster.fleet.hosts[1].terminal.containers(all=True, filters={"name": "_web_"}) == []
    cluster.api.act(cluster.hosts()["h1"], "activate")
    cluster.wait_for_hosts(active=3)
    cluster.wait_until_consistent()


@pytest.mark.parametrize(
    ("drill_name", "number", "act"), [("L1", 2, "powered off"), ("L2", 3, "cut off, its containers running on")]
)
def test_a_lost_host_returns_to_replaced_containers(
    cluster: DrillCluster, drill: Any, fold: Any, drill_name: str, number: int, act: str
):
    cluster.api.request("PUT", fold["links"]["self"], {"lostHostPolicy": "reschedule", "lostHostSeconds": 10})
    host, others = f"h{number}", {"h1", "h2", "h3"} - {f"h{number}"}
    lost = on(host, run_once(cluster, {"h1", "h2", "h3"}, seconds=20))
    assert lost
    with drill(drill_name, f"{host} {act} over its time, back", "replaced elsewhere; old copies gone; 3 in the end"):
        with host_down(cluster, number, powered=drill_name == "L1"):
            cluster.wait_until_lost(host)
            run_once(cluster, others, seconds=60, besides=host)
        assert {name for name, _, _ in on(host, copies(cluster))} == {name for name, _, _ in lost}, (
            "nobody removed them"
        )
        cluster.wait_for_hosts(active=3, seconds=60)
        assert running(on(host, copies(cluster))) == [], "none runs once the host counts again"
        run_once(cluster, others, seconds=60)
        cluster.wait_until_consistent()


@contextlib.contextmanager
def host_down(cluster: DrillCluster, number: int, *, powered: bool) -> Iterator[None]:
    """The host is off, or its cable is out, while the block runs."""
    host = cluster.fleet.hosts[number]
    host.power_off() if powered else host.disconnect()
    try:
        yield
    finally:
        cluster.fleet.power_on(number) if powered else host.reconnect()
    if powered:
        cluster.agents[number].start()
