"""A host is emptied while its portal dies, and a lost one returns to replaced containers: never a copy too many."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.running import until
from tests.drill.ground import Ground

pytestmark = [pytest.mark.docker, pytest.mark.drill]

SCALE, PREFIX = 3, "fold_web_"
Copy = tuple[str, str, str]


@pytest.fixture(scope="module")
def fold(ground: Ground) -> Iterator[Any]:
    """A service of three containers, all on h1, beside the six that are everywhere."""
    ground.whole()
    for name in ("h2", "h3"):
        ground.api.act(ground.hosts()[name], "deactivate")
    ground.until_hosts(active=1)
    stack, service = ground.api.deploy("fold", "web", SCALE)
    ground.api.until_running(PREFIX, SCALE)
    for name in ("h2", "h3"):
        ground.api.act(ground.hosts()[name], "activate")
    ground.until_hosts(active=3)
    assert [host for _, host, _ in copies(ground)] == ["h1"] * SCALE
    yield service
    ground.api.delete(ground.api.again(stack))
    until(lambda: not copies(ground), seconds=30, what="the stack gone")
    ground.whole()


def copies(ground: Ground) -> list[Copy]:
    """(name, host, state) of every copy on every engine that is on, whether the portal knows it or not."""
    on = [host for host in ground.fleet.hosts.values() if host.pid]
    found = [(host, each) for host in on for each in host.terminal.containers(all=True, filters={"name": PREFIX})]
    return sorted((each["Names"][0].lstrip("/"), host.name, each["State"]) for host, each in found)


def on(host: str, found: list[Copy]) -> list[Copy]:
    return [each for each in found if each[1] == host]


def running(found: list[Copy]) -> list[Copy]:
    return [each for each in found if each[2] == "running"]


def run_once(ground: Ground, hosts: set[str], *, seconds: float, besides: str = "") -> list[Copy]:
    """The copies, once each of the three runs exactly once, on one of `hosts`, and the portal shows just that.

    What is on the host `besides` is not counted.
    """
    names = [f"{PREFIX}{number}" for number in range(1, SCALE + 1)]

    def look() -> list[Copy]:
        there = [each for each in copies(ground) if each[1] != besides]
        shown = [row["name"] for row in ground.api.containers(PREFIX) if row["state"] == "running"]
        runs = [(name, state) for name, _, state in there] == [(name, "running") for name in names]
        return there if runs and shown == names and {host for _, host, _ in there} <= hosts else []

    try:
        return until(look, seconds=seconds, what="three copies", pause=0.3)
    except AssertionError:
        told = {name: (row["state"], row["transitioningMessage"]) for name, row in ground.hosts().items()}
        raise AssertionError(f"not {SCALE} on {hosts}: {copies(ground)}; {told}") from None


def test_a_host_is_emptied_while_the_portal_is_killed(ground: Ground, drill: Any, fold: Any):
    with drill("E1", "h1 evacuated, portal killed in the middle", "3 run elsewhere; no double, no orphan"):
        ground.api.act(ground.hosts()["h1"], "evacuate")
        until(lambda: any(host != "h1" for _, host, _ in copies(ground)), seconds=20, what="a successor", pause=0.02)
        ground.portal.end(signal.SIGKILL)
        there = copies(ground)
        assert {"h1"} < {host for _, host, _ in there}, f"killed in the middle: {there}"
        assert {name for name, _, state in there if state == "running"} == {f"{PREFIX}{n}" for n in (1, 2, 3)}
        ground.portal.start()
        until(lambda: ground.hosts()["h1"]["state"] == "inactive", seconds=40, what="h1 emptied", pause=0.3)
        run_once(ground, {"h2", "h3"}, seconds=20)
        assert ground.fleet.hosts[1].terminal.containers(all=True, filters={"name": "_web_"}) == []
    ground.api.act(ground.hosts()["h1"], "activate")
    ground.until_hosts(active=3)
    ground.whole()


@pytest.mark.parametrize(
    ("drill_name", "number", "act"), [("L1", 2, "powered off"), ("L2", 3, "cut off, its containers running on")]
)
def test_a_lost_host_returns_to_replaced_containers(
    ground: Ground, drill: Any, fold: Any, drill_name: str, number: int, act: str
):
    ground.api.ask("PUT", fold["links"]["self"], {"lostHostPolicy": "reschedule", "lostHostSeconds": 10})
    host, others = f"h{number}", {"h1", "h2", "h3"} - {f"h{number}"}
    lost = on(host, run_once(ground, {"h1", "h2", "h3"}, seconds=20))
    assert lost
    with drill(drill_name, f"{host} {act} over its time, back", "replaced elsewhere; old copies gone; 3 in the end"):
        with away(ground, number, powered=drill_name == "L1"):
            ground.until_lost(host)
            run_once(ground, others, seconds=60, besides=host)
        assert {name for name, _, _ in on(host, copies(ground))} == {name for name, _, _ in lost}, "nobody removed them"
        ground.until_hosts(active=3, seconds=60)
        assert running(on(host, copies(ground))) == [], "none runs once the host counts again"
        run_once(ground, others, seconds=20)
        ground.whole()


@contextlib.contextmanager
def away(ground: Ground, number: int, *, powered: bool) -> Iterator[None]:
    """The host is off, or its cable is out, while the block runs."""
    host = ground.fleet.hosts[number]
    host.power_off() if powered else host.cut()
    try:
        yield
    finally:
        ground.fleet.power_on(number) if powered else host.mend()
    if powered:
        ground.agents[number].start()
