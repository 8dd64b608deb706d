"""Upgrades while what does the work is killed at random moments: by a sequence that its seed repeats."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

from tests.drill.upgrade_drill import NEW, OLD, UpgradedService

# A turn takes a minute and more: `make drill-upgrades` asks for them.
TURNS, SEED = int(os.environ.get("DRILL_TURNS", "0")), int(os.environ.get("DRILL_SEED", "11"))
Record = Callable[[str, str, str], AbstractContextManager[None]]
Kill = Callable[[float], None]  # ends something without warning, and starts it again after so many seconds


class Killer:
    """Ends an agent, an engine, or one of what the portal consists of."""

    def __init__(self, service: UpgradedService, portal: Mapping[str, Kill], chance: random.Random) -> None:
        self.cluster, self.portal, self.chance = service.cluster, portal, chance

    def strike(self) -> str:
        """Something dies; what."""
        time.sleep(self.chance.uniform(0, 2))
        number, down = self.chance.randint(1, 3), self.chance.uniform(0, 2)
        what = self.chance.choice([*self.portal, "agent", "engine"])
        if what in self.portal:
            self.portal[what](down)
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


def _unrecorded(*_outcome: str) -> AbstractContextManager[None]:
    return nullcontext()


def play_turns(service: UpgradedService, portal: Mapping[str, Kill], drill: Record = _unrecorded) -> None:
    """So many upgrades, each finished or rolled back, with a kill in either half; then the service is removed."""
    chance = random.Random(SEED)  # noqa: S311 - a sequence, no secret
    killer, image, log = Killer(service, portal, chance), OLD, [f"seed {SEED}, {TURNS} turns"]
    try:
        for turn in range(TURNS):
            other, by = NEW if image == OLD else OLD, chance.randint(1, 3)
            new_first = chance.random() < 0.5 and not service.sidekick
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
                service.cluster.wait_for_hosts(active=3, seconds=60)
    except (AssertionError, OSError) as error:
        raise AssertionError("\n".join([*log, str(service.images()), str(error)])) from error
    service.remove()
