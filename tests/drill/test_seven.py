"""The seven destructive tests, on three machines with agents: each with the outcome it must have."""

from __future__ import annotations

import shutil
import signal
import time
from functools import partial
from typing import Any

import pytest

from tests.docker.portal_process import PortalProcess, wait_until
from tests.drill.cluster import PREFIX, SCALE, DrillCluster
from tests.drill.host_agent import HostAgent

pytestmark = [pytest.mark.docker, pytest.mark.drill]


def first_on(cluster: DrillCluster, host: str) -> tuple[str, dict[str, Any]]:
    """A container of the service on that host."""
    return next((name, each) for name, each in sorted(cluster.engine_containers().items()) if each["host"] == host)


def container(cluster: DrillCluster, name: str) -> Any:
    return next(row for row in cluster.api.containers(PREFIX) if row["name"] == name)


def test_d1_the_portal_is_stopped_and_started(cluster: DrillCluster, drill: Any):
    before = cluster.wait_until_consistent()
    with drill("D1", "portal stopped, started", "workloads untouched; management is back"):
        cluster.portal.end()
        time.sleep(1)
        assert cluster.engine_containers() == before
        cluster.portal.start()
        cluster.wait_for_hosts(active=3)
        assert cluster.wait_until_consistent() == before
        cluster.check_responsive()


def test_d3_the_portal_is_lost_and_its_data_are_not(cluster: DrillCluster, drill: Any):
    before, names = cluster.wait_until_consistent(), {row["id"]: row["name"] for row in cluster.api.containers()}
    with drill("D3", "portal killed, a new one on its data", "everything as before: names, relations, identity"):
        cluster.portal.end(signal.SIGKILL)
        moved = cluster.portal.data_dir.with_name("moved")
        shutil.move(cluster.portal.data_dir, moved)
        old = cluster.portal
        cluster.portal = PortalProcess(moved, "unix:///nonexistent.sock", PORT=str(old.port), BIND=old.address)
        cluster.portal.start()
        cluster.wait_for_hosts(active=3)
        assert cluster.wait_until_consistent() == before
        cluster.check_responsive()
        assert {row["id"]: row["name"] for row in cluster.api.containers()} == names
        assert cluster.service()["currentScale"] == SCALE


def test_d4_an_agent_is_deleted(cluster: DrillCluster, drill: Any):
    before = cluster.wait_until_consistent()
    with drill("D4", "agent of h2 deleted", "workloads untouched; host lost, nothing placed there; heals"):
        cluster.agents[2].end(signal.SIGKILL)
        cluster.wait_until_lost("h2")
        assert cluster.engine_containers() == before
        cluster.scale(SCALE + 2)
        wait_until(lambda: len(cluster.engine_containers()) == SCALE + 2, seconds=60, what="two more", pause=0.2)
        relocated = {name: each["host"] for name, each in cluster.engine_containers().items() if name not in before}
        assert set(relocated.values()) <= {"h1", "h3"}
        cluster.agents[2].start()
        cluster.wait_for_hosts(active=3)
        after = cluster.wait_until_consistent(SCALE + 2)
        assert {name: after[name] for name in before} == before
    cluster.scale(SCALE)
    cluster.wait_until_consistent()


def test_d5_a_container_is_deleted_in_the_portal(cluster: DrillCluster, drill: Any):
    cluster.wait_until_consistent()
    name, was = first_on(cluster, "h1")
    with drill("D5", "container deleted in the portal", "replaced on another host"):
        cluster.api.delete(container(cluster, name))
        wait_until(
            lambda: cluster.engine_containers().get(name, was)["id"] != was["id"], seconds=30, what="a replacement"
        )
        after = cluster.wait_until_consistent()
    assert after[name]["host"] in {"h2", "h3"}


def test_d6_a_container_is_deleted_on_its_host(cluster: DrillCluster, drill: Any):
    cluster.wait_until_consistent()
    name, was = first_on(cluster, "h2")
    with drill("D6", "container deleted on the host's CLI", "replaced on the same host"):
        cluster.fleet.hosts[2].terminal.remove_container(was["id"], force=True)
        wait_until(
            lambda: cluster.engine_containers().get(name, was)["id"] != was["id"], seconds=30, what="a replacement"
        )
        after = cluster.wait_until_consistent()
    assert after[name]["host"] == "h2"


def test_d7_an_agent_is_deleted_and_then_a_container_there(cluster: DrillCluster, drill: Any):
    cluster.wait_until_consistent()
    name, was = first_on(cluster, "h3")
    with drill("D7", "agent of h3 deleted, then a container", "not seen, last state kept; heals on the same host"):
        cluster.agents[3].end(signal.SIGKILL)
        cluster.wait_until_lost("h3")
        cluster.fleet.hosts[3].terminal.remove_container(was["id"], force=True)
        time.sleep(4)
        assert name not in cluster.engine_containers()
        row = container(cluster, name)
        assert (row["state"], row["externalId"]) == ("running", was["id"])
        cluster.agents[3].start()
        cluster.wait_for_hosts(active=3)
        after = cluster.wait_until_consistent()
    assert after[name]["host"] == "h3"


def test_d2_the_portal_is_lost_with_its_data(cluster: DrillCluster, drill: Any):
    """Last of the seven: its end is the old portal again, on which the next drills go on."""
    before, old = cluster.wait_until_consistent(), cluster.portal
    with drill("D2", "portal and data lost, a new one there", "refused until the command is pasted; then adopted"):
        old.end(signal.SIGKILL)
        foreign_portal = PortalProcess(
            old.data_dir.with_name("impostor"), "unix:///nonexistent.sock", PORT=str(old.port), BIND=old.address
        )
        foreign_portal.data_dir.mkdir()
        foreign_portal.start()
        cluster.portal, cluster.api = foreign_portal, foreign_portal.api()
        _refused(cluster, before)
        cluster.register()
        after = cluster.wait_until_consistent()
        assert after == before
        rows = cluster.api.containers(PREFIX)
        assert [row["nativeContainer"] for row in rows] == [True] * SCALE
        assert cluster.api.get("services")["data"] == []
        row = cluster.api.act(rows[0], "restart")
        cluster.api.until_state(row, "running")
    _find_host_for(cluster, old)
    assert set(cluster.wait_until_consistent()) == set(before)


def _refused(cluster: DrillCluster, before: dict[str, Any]) -> None:
    """Nobody follows a portal only because it answers at the old address."""
    for agent in cluster.agents.values():
        wait_until(partial(_agent_reports_refusal, agent), seconds=120, what="a refusal")
        assert agent.program is not None
        assert agent.program.alive
    assert cluster.api.get("hosts")["data"] == []
    assert cluster.engine_containers() == before


def _agent_reports_refusal(agent: HostAgent) -> bool:
    return any(word in agent.log_tail().lower() for word in ("refused", "credential", "key"))


def _find_host_for(cluster: DrillCluster, old: PortalProcess) -> None:
    """The old portal at its place, and its command pasted on every host: the same three hosts, no more."""
    ids = {"h1", "h2", "h3"}
    cluster.portal.end(signal.SIGKILL)
    cluster.portal = old
    old.start()
    cluster.api = old.api()
    cluster.register()
    assert set(cluster.hosts()) == ids
    assert len(cluster.api.get("hosts?removed_null=1")["data"]) == 3
