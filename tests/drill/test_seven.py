"""The seven destructive tests, on three machines with agents: each with the outcome it must have."""

from __future__ import annotations

import shutil
import signal
import time
from functools import partial
from typing import Any

import pytest

from tests.docker.running import Portal, until
from tests.drill.agents import Agent
from tests.drill.ground import PREFIX, SCALE, Ground

pytestmark = [pytest.mark.docker, pytest.mark.drill]


def first_on(ground: Ground, host: str) -> tuple[str, dict[str, Any]]:
    """A container of the service on that host."""
    return next((name, each) for name, each in sorted(ground.on_engines().items()) if each["host"] == host)


def container(ground: Ground, name: str) -> Any:
    return next(row for row in ground.api.containers(PREFIX) if row["name"] == name)


def test_d1_the_portal_is_stopped_and_started(ground: Ground, drill: Any):
    before = ground.whole()
    with drill("D1", "portal stopped, started", "workloads untouched; management is back"):
        ground.portal.end()
        time.sleep(1)
        assert ground.on_engines() == before
        ground.portal.start()
        ground.until_hosts(active=3)
        assert ground.whole() == before
        ground.obeys()


def test_d3_the_portal_is_lost_and_its_data_are_not(ground: Ground, drill: Any):
    before, names = ground.whole(), {row["id"]: row["name"] for row in ground.api.containers()}
    with drill("D3", "portal killed, a new one on its data", "everything as before: names, relations, identity"):
        ground.portal.end(signal.SIGKILL)
        moved = ground.portal.data_dir.with_name("moved")
        shutil.move(ground.portal.data_dir, moved)
        old = ground.portal
        ground.portal = Portal(moved, "unix:///nonexistent.sock", PORT=str(old.port), BIND=old.address)
        ground.portal.start()
        ground.until_hosts(active=3)
        assert ground.whole() == before
        ground.obeys()
        assert {row["id"]: row["name"] for row in ground.api.containers()} == names
        assert ground.service()["currentScale"] == SCALE


def test_d4_an_agent_is_deleted(ground: Ground, drill: Any):
    before = ground.whole()
    with drill("D4", "agent of h2 deleted", "workloads untouched; host lost, nothing placed there; heals"):
        ground.agents[2].end(signal.SIGKILL)
        ground.until_lost("h2")
        assert ground.on_engines() == before
        ground.scale(SCALE + 2)
        until(lambda: len(ground.on_engines()) == SCALE + 2, seconds=20, what="two more", pause=0.2)
        fresh = {name: each["host"] for name, each in ground.on_engines().items() if name not in before}
        assert set(fresh.values()) <= {"h1", "h3"}
        ground.agents[2].start()
        ground.until_hosts(active=3)
        after = ground.whole(SCALE + 2)
        assert {name: after[name] for name in before} == before
    ground.scale(SCALE)
    ground.whole()


def test_d5_a_container_is_deleted_in_the_portal(ground: Ground, drill: Any):
    ground.whole()
    name, was = first_on(ground, "h1")
    with drill("D5", "container deleted in the portal", "replaced on another host"):
        ground.api.delete(container(ground, name))
        until(lambda: ground.on_engines().get(name, was)["id"] != was["id"], seconds=15, what="a replacement")
        after = ground.whole()
    assert after[name]["host"] in {"h2", "h3"}


def test_d6_a_container_is_deleted_on_its_host(ground: Ground, drill: Any):
    ground.whole()
    name, was = first_on(ground, "h2")
    with drill("D6", "container deleted on the host's CLI", "replaced on the same host"):
        ground.fleet.hosts[2].terminal.remove_container(was["id"], force=True)
        until(lambda: ground.on_engines().get(name, was)["id"] != was["id"], seconds=15, what="a replacement")
        after = ground.whole()
    assert after[name]["host"] == "h2"


def test_d7_an_agent_is_deleted_and_then_a_container_there(ground: Ground, drill: Any):
    ground.whole()
    name, was = first_on(ground, "h3")
    with drill("D7", "agent of h3 deleted, then a container", "not seen, last state kept; heals on the same host"):
        ground.agents[3].end(signal.SIGKILL)
        ground.until_lost("h3")
        ground.fleet.hosts[3].terminal.remove_container(was["id"], force=True)
        time.sleep(4)
        assert name not in ground.on_engines()
        row = container(ground, name)
        assert (row["state"], row["externalId"]) == ("running", was["id"])
        ground.agents[3].start()
        ground.until_hosts(active=3)
        after = ground.whole()
    assert after[name]["host"] == "h3"


def test_d2_the_portal_is_lost_with_its_data(ground: Ground, drill: Any):
    """Last of the seven: its end is the old portal again, on which the next drills go on."""
    before, old = ground.whole(), ground.portal
    with drill("D2", "portal and data lost, a new one there", "refused until the command is pasted; then adopted"):
        old.end(signal.SIGKILL)
        stranger = Portal(
            old.data_dir.with_name("stranger"), "unix:///nonexistent.sock", PORT=str(old.port), BIND=old.address
        )
        stranger.data_dir.mkdir()
        stranger.start()
        ground.portal, ground.api = stranger, stranger.api()
        _refused(ground, before)
        ground.register()
        after = ground.whole()
        assert after == before
        rows = ground.api.containers(PREFIX)
        assert [row["nativeContainer"] for row in rows] == [True] * SCALE
        assert ground.api.get("services")["data"] == []
        row = ground.api.act(rows[0], "restart")
        ground.api.until_state(row, "running")
    _home(ground, old)
    assert set(ground.whole()) == set(before)


def _refused(ground: Ground, before: dict[str, Any]) -> None:
    """Nobody follows a portal only because it answers at the old address."""
    for agent in ground.agents.values():
        until(partial(_told, agent), seconds=40, what="a refusal")
        assert agent.program is not None
        assert agent.program.alive
    assert ground.api.get("hosts")["data"] == []
    assert ground.on_engines() == before


def _told(agent: Agent) -> bool:
    return any(word in agent.said().lower() for word in ("refused", "credential", "key"))


def _home(ground: Ground, old: Portal) -> None:
    """The old portal at its place, and its command pasted on every host: the same three hosts, no more."""
    ids = {"h1", "h2", "h3"}
    ground.portal.end(signal.SIGKILL)
    ground.portal = old
    old.start()
    ground.api = old.api()
    ground.register()
    assert set(ground.hosts()) == ids
    assert len(ground.api.get("hosts?removed_null=1")["data"]) == 3
