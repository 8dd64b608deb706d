"""Ten containers on three engines that are brought from one image to another, and what the engines saw of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from apps.containers.engine import UUID_LABEL
from tests.docker.portal_process import wait_until
from tests.drill.cluster import DrillCluster

OLD, NEW, SIDEKICK = "bb:local", "bb:two", "bb:side"
STACK, PREFIX = "upgrades", "upgrades_web_"
COUNTED = {"start": 1, "die": -1}


@dataclass
class UpgradedService:
    """The service on its hosts."""

    cluster: DrillCluster
    stack: Any
    row: Any
    sidekick: str = ""  # its image

    @classmethod
    def deploy(cls, cluster: DrillCluster, scale: int, *, has_sidekick: bool = False) -> UpgradedService:
        """The old image, on all hosts; the new one is the same under a second name.

        A sidekick shares the network of its primary container, and so is replaced with it.
        """
        for host in cluster.fleet.hosts.values():
            for tag in (NEW, SIDEKICK):
                host.terminal.tag(OLD, *tag.split(":"))
        beside = {"name": "log", "imageUuid": f"docker:{SIDEKICK}", "networkLaunchConfig": "web"}
        more = {"secondaryLaunchConfigs": [beside]} if has_sidekick else {}
        stack, row = cluster.api.deploy(STACK, "web", scale, unit=more)
        made = cls(cluster, stack, row, SIDEKICK if has_sidekick else "")
        made.until("active")
        cluster.api.until_running(PREFIX, scale * (1 + has_sidekick))
        return made

    def remove(self) -> None:
        self.cluster.api.delete(self.stack)
        self.cluster.api.until_state(self.stack, "removed", "purged", seconds=120)
        wait_until(lambda: not self.seen(), seconds=60, what="nothing left on the engines")

    def upgrade(self, image: str = NEW, **strategy: Any) -> None:
        row = self.cluster.api.reload(self.row)
        config = {**row["launchConfig"], "imageUuid": f"docker:{image}"}
        settings = {"batchSize": 3, "intervalMillis": 100, "minReadySeconds": 1, **strategy}
        self.cluster.api.act(row, "upgrade", inServiceStrategy={"launchConfig": config, **settings})

    def act(self, action: str) -> None:
        self.cluster.api.act(self.cluster.api.reload(self.row), action)

    def until(self, *states: str, seconds: float = 120) -> Any:
        return self.cluster.api.until_state(self.row, *states, seconds=seconds)

    def seen(self) -> list[dict[str, Any]]:
        """Everything of the service on the engines."""
        hosts = self.cluster.fleet.hosts.values()
        return [each for host in hosts for each in host.terminal.containers(all=True, filters={"name": PREFIX})]

    def images(self) -> dict[tuple[str, str], int]:
        """How many containers there are of each image and state."""
        return dict(Counter((each["Image"], each["State"]) for each in self.seen()))

    def until_all_run(self, image: str, count: int) -> None:
        """Wait until there are so many of the image on the engines, all running, and nothing besides sidekicks."""
        expected = {(each, "running"): count for each in (image, self.sidekick) if each}
        wait_until(lambda: self.images() == expected, seconds=120, what=f"{count} of {image}")

    def hosts_in_use(self) -> set[str]:
        return {each["host"] for each in self.cluster.engine_containers(PREFIX).values()}

    def check_no_double(self) -> None:
        """No row of the portal has two containers."""
        found = Counter(each["Labels"].get(UUID_LABEL) for each in self.seen())
        assert all(count == 1 for count in found.values()), found

    def running_since(self, began: float, running: int) -> list[int]:
        """How many ran from a moment on, at which so many did: by the engines' own clocks and words."""
        moments: list[tuple[int, int]] = []
        for host in self.cluster.fleet.hosts.values():
            wanted = {"type": "container", "event": list(COUNTED)}
            events = host.terminal.events(since=began, until=time.time(), decode=True, filters=wanted)
            mine = [each for each in events if each["Actor"]["Attributes"].get("name", "").startswith(PREFIX)]
            moments += [(each["timeNano"], COUNTED[each["Action"]]) for each in mine]
        return list(accumulate((step for _at, step in sorted(moments)), initial=running))
