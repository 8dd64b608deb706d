"""Upgrades on three machines: in batches, back again, to what does not run, and with everything killed on the way."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.portal_process import wait_until
from tests.drill.cluster import DrillCluster
from tests.drill.killed_upgrades import TURNS, play_turns
from tests.drill.upgrade_drill import NEW, OLD, PREFIX, UpgradedService

pytestmark = [pytest.mark.docker, pytest.mark.drill]


@pytest.fixture
def ten(cluster: DrillCluster) -> Iterator[UpgradedService]:
    """Ten running containers on three hosts."""
    made = UpgradedService.deploy(cluster, 10)
    assert made.hosts_in_use() == {"h1", "h2", "h3"}
    yield made
    made.remove()


@pytest.mark.parametrize(("start_first", "fewest", "most"), [(False, 7, 10), (True, 10, 13)])
def test_ten_in_batches_of_three(
    ten: UpgradedService, drill: Any, *, start_first: bool, fewest: int, most: int
) -> None:
    began, order = time.time(), "new first" if start_first else "old first"
    with drill(
        "U1" if start_first else "U2", f"ten upgraded by three, {order}", f"{fewest} to {most} ran all the time"
    ):
        ten.upgrade(startFirst=start_first)
        ten.until("upgraded")
    counts = ten.running_since(began, 10)
    assert (min(counts), max(counts), counts[-1]) == (fewest, most, 10)
    assert ten.images() == {(OLD, "exited"): 10, (NEW, "running"): 10}
    ten.act("finishupgrade")
    ten.until("active")
    ten.cluster.api.until_running(PREFIX, 10)
    assert ten.images() == {(NEW, "running"): 10}


@pytest.mark.parametrize(("start_first", "fewest", "most"), [(False, 7, 10), (True, 10, 13)])
def test_rolled_back_half_way(ten: UpgradedService, drill: Any, *, start_first: bool, fewest: int, most: int) -> None:
    before = {each["Id"] for each in ten.seen()}
    began = time.time()
    with drill("U3", "an upgrade canceled half-way and rolled back", "the very same containers run again"):
        ten.upgrade(startFirst=start_first, intervalMillis=3000)
        # One that runs has not taken over yet: the loop has to see it first, and then the old one is stopped. What has
        # not taken over when the upgrade is canceled is removed again, and the old one of its place goes on.
        wait_until(lambda: ten.images().get((OLD, "exited"), 0) >= 3, seconds=60, what="the first batch to take over")
        wait_until(lambda: ten.images().get((NEW, "running"), 0) >= 3, seconds=60, what="the first batch to run")
        ten.act("cancelupgrade")
        ten.until("canceled-upgrade")
        assert 3 <= ten.images()[NEW, "running"] <= 6  # with some of the second batch, if that has begun
        ten.act("rollback")
        ten.until("active")
        ten.cluster.api.until_running(PREFIX, 10)
    counts = ten.running_since(began, 10)
    assert fewest <= min(counts)
    assert max(counts) <= most
    assert {each["Id"] for each in ten.seen()} == before


@pytest.mark.parametrize(("start_first", "fewest"), [(False, 7), (True, 10)])
def test_to_an_image_that_is_nowhere(ten: UpgradedService, drill: Any, *, start_first: bool, fewest: int) -> None:
    before = {each["Id"] for each in ten.seen()}
    began = time.time()
    with drill("U4", "upgraded to an image that is nowhere", f"{fewest} old ones go on; rolled back"):
        ten.upgrade("bb:absent", startFirst=start_first)
        message = lambda: str(ten.cluster.api.reload(ten.row)["transitioningMessage"])  # noqa: E731
        wait_until(lambda: "Image pull failed" in message(), seconds=90, what="a reason")
        time.sleep(3)
        assert ten.images()[OLD, "running"] == fewest
        ten.act("cancelupgrade")
        ten.until("canceled-upgrade")
        ten.act("rollback")
        ten.until("active")
        ten.cluster.api.until_running(PREFIX, 10)
    assert min(ten.running_since(began, 10)) == fewest
    assert {each["Id"] for each in ten.seen()} == before


@pytest.mark.skipif(not TURNS, reason="make drill-upgrades: minutes, at random moments")
@pytest.mark.parametrize("has_sidekick", [False, True])
def test_killed_at_any_moment(cluster: DrillCluster, drill: Any, *, has_sidekick: bool) -> None:
    def kill_portal(down: float) -> None:
        cluster.portal.end(signal.SIGKILL)  # its worker with it
        time.sleep(down)
        cluster.portal.start()

    play_turns(UpgradedService.deploy(cluster, 5, has_sidekick=has_sidekick), {"portal": kill_portal}, drill)
