"""What breaks on a bad day: processes killed, a cable, power, clocks, a full disk. Nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.running import until
from tests.drill.ground import PREFIX, Ground
from tests.fleet.host import clock

pytestmark = [pytest.mark.docker, pytest.mark.drill]


def on(ground: Ground, host: str) -> dict[str, Any]:
    return {name: each for name, each in ground.on_engines().items() if each["host"] == host}


def test_a_killed_agent(ground: Ground, drill: Any):
    before = ground.whole()
    with drill("K1", "agent of h1 killed, restarted", "workloads untouched; host lost and back"):
        ground.agents[1].end(signal.SIGKILL)
        ground.until_lost("h1")
        ground.agents[1].start()
        ground.until_hosts(active=3)
        assert ground.whole() == before


def test_a_killed_engine(ground: Ground, drill: Any):
    before = ground.whole()
    with drill("K2", "engine of h2 killed, restarted", "its containers run again, the others untouched"):
        ground.fleet.engines[2].end(signal.SIGKILL)
        ground.until_lost("h2")
        ground.fleet.engines[2].restart()
        ground.until_hosts(active=3)
        after = ground.whole()
    for name, was in before.items():
        assert after[name]["id"] == was["id"], "healed in place"
        assert (after[name]["started"] == was["started"]) == (was["host"] != "h2")


def test_a_cable_is_cut_and_mended(ground: Ground, drill: Any):
    before = ground.whole()
    name = min(on(ground, "h3"))
    with drill("C1", "cable of h3 cut, a container removed, mended", "greyed with its age; healed once it is back"):
        ground.fleet.hosts[3].cut()
        try:
            row = ground.until_lost("h3")
            assert row["agentState"] in {"reconnecting", "disconnected"}
            assert "This host cannot be asked just now" in host_page(ground, "h3")
            ground.fleet.hosts[3].terminal.remove_container(before[name]["id"], force=True)
            time.sleep(2)
            assert {each["state"] for each in ground.api.containers(PREFIX)} == {"running"}, "the last that was seen"
        finally:
            ground.fleet.hosts[3].mend()
        ground.until_hosts(active=3, seconds=60)
        after = ground.whole()
    assert after[name]["host"] == "h3"
    assert after[name]["id"] != before[name]["id"]
    assert {n: each for n, each in after.items() if n != name} == {n: e for n, e in before.items() if n != name}


def test_power_off_and_on(ground: Ground, drill: Any):
    before = ground.whole()
    with drill("P1", "h1 powered off and on", "its containers run again, the others untouched"):
        ground.fleet.hosts[1].power_off()
        ground.until_lost("h1")
        ground.fleet.power_on(1)
        ground.agents[1].start()
        ground.until_hosts(active=3)
        after = ground.whole()
    assert {name: each["id"] for name, each in after.items()} == {name: each["id"] for name, each in before.items()}


@pytest.mark.parametrize("offset", ["+1h", "-1h"])
def test_an_agent_whose_clock_is_off(ground: Ground, drill: Any, offset: str):
    ground.whole()
    with drill("T1" if offset[0] == "+" else "T2", f"agent of h2 lives {offset}", "said on its page; all works"):
        ground.agents[2].again(**clock(offset))
        ground.until_hosts(active=3)
        until(lambda: "The clock of this host differs" in host_page(ground, "h2"), seconds=20, what="a word about it")
        name, was = min(on(ground, "h2").items())
        ground.fleet.hosts[2].terminal.remove_container(was["id"], force=True)
        until(lambda: ground.on_engines().get(name, was)["id"] != was["id"], seconds=15, what="a replacement")
        ground.obeys()
    ground.agents[2].again()
    ground.until_hosts(active=3)
    ground.whole()


def host_page(ground: Ground, name: str) -> str:
    key = ground.hosts()[name]["id"].removeprefix("1h")
    return ground.portal.page(f"/env/5/hosts/{key}")


@contextlib.contextmanager
def full(ground: Ground) -> Iterator[None]:
    """The portal's disk has no room left while the block runs."""
    filler = ground.portal.data_dir / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=64k"], check=False, capture_output=True, timeout=60)
    try:
        yield
    finally:
        filler.unlink()


def test_the_portals_disk_is_full(ground: Ground, drill: Any):
    before = ground.whole()
    with drill("F1", "portal's disk full, then room again", "answers in words; workloads untouched; heals"):
        with full(ground):
            # The database's own log has room until it is used up.
            said = [ground.api.call("POST", "environments", {"name": f"n{n}"}) for n in range(100)]
            assert ground.portal.process is not None
            assert ground.portal.process.poll() is None
            assert ground.on_engines() == before
        refused = [each for each in said if each.status_code != 201]
        assert {each.status_code for each in refused} == {503}
        assert all("make room" in each.json()["message"] for each in refused)
        until(lambda: ground.api.call("GET", "services").ok, seconds=20, what="answers again")
        ground.until_hosts(active=3)
        assert ground.whole() == before
        ground.obeys()
