"""What breaks on a bad day: processes killed, a cable, power, clocks, a full disk. Nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.portal_process import wait_until
from tests.drill.cluster import PREFIX, DrillCluster
from tests.fleet.host import shifted_clock

pytestmark = [pytest.mark.docker, pytest.mark.drill]


def on(cluster: DrillCluster, host: str) -> dict[str, Any]:
    return {name: each for name, each in cluster.engine_containers().items() if each["host"] == host}


def test_a_killed_agent(cluster: DrillCluster, drill: Any):
    before = cluster.wait_until_consistent()
    with drill("K1", "agent of h1 killed, restarted", "workloads untouched; host lost and back"):
        cluster.agents[1].end(signal.SIGKILL)
        cluster.wait_until_lost("h1")
        cluster.agents[1].start()
        cluster.wait_for_hosts(active=3)
        assert cluster.wait_until_consistent() == before


def test_a_killed_engine(cluster: DrillCluster, drill: Any):
    before = cluster.wait_until_consistent()
    with drill("K2", "engine of h2 killed, restarted", "its containers run again, the others untouched"):
        cluster.fleet.engines[2].end(signal.SIGKILL)
        cluster.wait_until_lost("h2")
        cluster.fleet.engines[2].restart()
        cluster.wait_for_hosts(active=3)
        after = cluster.wait_until_consistent()
    for name, was in before.items():
        assert after[name]["id"] == was["id"], "healed in place"
        assert (after[name]["started"] == was["started"]) == (was["host"] != "h2")


def test_a_cable_is_cut_and_mended(cluster: DrillCluster, drill: Any):
    before = cluster.wait_until_consistent()
    name = min(on(cluster, "h3"))
    with drill("C1", "cable of h3 cut, a container removed, mended", "greyed with its age; healed once it is back"):
        cluster.fleet.hosts[3].disconnect()
        try:
            row = cluster.wait_until_lost("h3")
            assert row["agentState"] in {"reconnecting", "disconnected"}
            assert "Host unreachable" in host_page(cluster, "h3")
            cluster.fleet.hosts[3].terminal.remove_container(before[name]["id"], force=True)
            time.sleep(2)
            assert {each["state"] for each in cluster.api.containers(PREFIX)} == {"running"}, "the last that was seen"
        finally:
            cluster.fleet.hosts[3].reconnect()
        cluster.wait_for_hosts(active=3, seconds=60)
        after = cluster.wait_until_consistent()
    assert after[name]["host"] == "h3"
    assert after[name]["id"] != before[name]["id"]
    assert {n: each for n, each in after.items() if n != name} == {n: e for n, e in before.items() if n != name}


def test_power_off_and_on(cluster: DrillCluster, drill: Any):
    before = cluster.wait_until_consistent()
    with drill("P1", "h1 powered off and on", "its containers run again, the others untouched"):
        cluster.fleet.hosts[1].power_off()
        cluster.wait_until_lost("h1")
        cluster.fleet.power_on(1)
        cluster.agents[1].start()
        cluster.wait_for_hosts(active=3)
        after = cluster.wait_until_consistent()
    assert {name: each["id"] for name, each in after.items()} == {name: each["id"] for name, each in before.items()}


@pytest.mark.parametrize("offset", ["+1h", "-1h"])
def test_an_agent_whose_clock_is_off(cluster: DrillCluster, drill: Any, offset: str):
    cluster.wait_until_consistent()
    with drill("T1" if offset[0] == "+" else "T2", f"agent of h2 lives {offset}", "said on its page; all works"):
        cluster.agents[2].restart(**shifted_clock(offset))
        cluster.wait_for_hosts(active=3)
        wait_until(lambda: "This host's clock differs" in host_page(cluster, "h2"), seconds=60, what="a word about it")
        name, was = min(on(cluster, "h2").items())
        cluster.fleet.hosts[2].terminal.remove_container(was["id"], force=True)
        wait_until(
            lambda: cluster.engine_containers().get(name, was)["id"] != was["id"], seconds=30, what="a replacement"
        )
        cluster.check_responsive()
    cluster.agents[2].restart()
    cluster.wait_for_hosts(active=3)
    cluster.wait_until_consistent()


def host_page(cluster: DrillCluster, name: str) -> str:
    key = cluster.hosts()[name]["id"].removeprefix("1h")
    return cluster.portal.page(f"/env/5/hosts/{key}")


@contextlib.contextmanager
def full(cluster: DrillCluster) -> Iterator[None]:
    """The portal's disk has no room left while the block runs."""
    filler = cluster.portal.data_dir / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], check=False, capture_output=True, timeout=60)
    try:
        yield
    finally:
        filler.unlink()


def test_the_portals_disk_is_full(cluster: DrillCluster, drill: Any):
    before = cluster.wait_until_consistent()
    with drill("F1", "portal's disk full, then room again", "answers in words; workloads untouched; heals"):
        with full(cluster):
            # The database's own log has room until it is used up.
            responses = [cluster.api.call("POST", "environments", {"name": f"n{n}"}) for n in range(100)]
            assert cluster.portal.process is not None
            assert cluster.portal.process.poll() is None
            assert cluster.engine_containers() == before
        refused = [each for each in responses if each.status_code != 201]
        assert {each.status_code for each in refused} == {503}
        assert all("free disk space" in each.json()["message"] for each in refused)
        wait_until(lambda: cluster.api.call("GET", "services").ok, seconds=60, what="answers again")
        cluster.wait_for_hosts(active=3)
        assert cluster.wait_until_consistent() == before
        cluster.check_responsive()
