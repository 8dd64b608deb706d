"""Upgrades on three machines: in batches, back again, to what does not run, and with everything killed on the way."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.docker.portal_process import wait_until
from tests.drill.cluster import DrillCluster
from tests.drill.upgrade_drill import NEW, OLD, PREFIX, UpgradedService

pytestmark = [pytest.mark.docker, pytest.mark.drill]

# Twenty turns take half an hour: `make drill-upgrades` asks for them.
TURNS, SEED = int(os.environ.get("DRILL_TURNS", "3")), int(os.environ.get("DRILL_SEED", "11"))


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
        wait_until(lambda: ten.images().get((NEW, "running"), 0) >= 3, seconds=60, what="the first batch")
        ten.act("cancelupgrade")
        ten.until("canceled-upgrade")
        assert 3 <= ten.images()[NEW, "running"] <= 6
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


class Killer:
    """Ends the portal (its worker with it), an agent or an engine without warning, and starts it again."""

    def __init__(self, cluster: DrillCluster, chance: random.Random) -> None:
        self.cluster, self.chance = cluster, chance

    def strike(self) -> str:
        """Something dies; what."""
        time.sleep(self.chance.uniform(0, 2))
        number, down = self.chance.randint(1, 3), self.chance.uniform(0, 2)
        what = self.chance.choice(["portal", "agent", "engine"])
        if what == "portal":
            self.cluster.portal.end(signal.SIGKILL)
            time.sleep(down)
            self.cluster.portal.start()
            return what
        if what == "agent":
            self.cluster.agents[number].end(signal.SIGKILL)
            time.sleep(down)
            self.cluster.agents[number].start()
        else:
            self.cluster.fleet.engines[number].end(signal.SIGKILL)
            time.sleep(down)
            self.cluster.fleet.engines[number].restart()
        return f"{what} of h{number}"


@pytest.mark.skipif("DRILL_TURNS" not in os.environ, reason="make drill-upgrades: minutes, at random moments")
def test_killed_at_any_moment(cluster: DrillCluster, drill: Any) -> None:
    chance = random.Random(SEED)  # noqa: S311 - a sequence, no secret
    killer, image, log = Killer(cluster, chance), OLD, [f"seed {SEED}, {TURNS} turns"]
    service = UpgradedService.deploy(cluster, 5)
    try:
        for turn in range(TURNS):
            other, by, new_first = NEW if image == OLD else OLD, chance.randint(1, 3), chance.random() < 0.5
            ending = chance.choice(["finishupgrade", "rollback"])
            log.append(f"turn {turn} of seed {SEED}: upgrade by {by}{', new first' * new_first}, {ending}")
            with drill("U5", log[-1], "no double, no orphan, what was wanted last"):
                service.upgrade(other, batchSize=by, startFirst=new_first)
                log.append(f"killed: {killer.strike()}")
                service.until("upgraded", seconds=240)
                service.check_no_double()
                service.act(ending)
                log.append(f"killed: {killer.strike()}")
                image = other if ending == "finishupgrade" else image
                service.until("active", seconds=240)
                service.until_all_run(image, 5)
                service.check_no_double()
                cluster.wait_for_hosts(active=3, seconds=60)
    except (AssertionError, OSError) as error:
        raise AssertionError("\n".join([*log, str(service.images()), str(error)])) from error
    service.remove()
