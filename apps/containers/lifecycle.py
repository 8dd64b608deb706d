"""The life cycles of containers and pulls (v1 contract, section 5: `instance`), and the next step towards a wish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apps.core.lifecycle import LifeCycle, step

_ALIVE = "requested creating starting running stopping stopped restarting updating-running updating-stopped error"

CONTAINER = LifeCycle(
    "container",
    {
        "create": step("", "", "creating", "operate"),
        "start": step("running", "stopped error", "starting", "operate"),
        "stop": step("stopped", "creating running starting restarting updating-running", "stopping", "operate"),
        "restart": step("running", "running", "restarting", "operate"),
        "remove": step("removed", _ALIVE, "removing", "delete"),
        "purge": step("purged", "removed", "purging", "delete"),
        "update": step("", "running stopped updating-running updating-stopped", "updating-running", "operate"),
    },
    also_transitional=frozenset({"requested", "updating-stopped", "erroring"}),
)

PULL = LifeCycle(
    "pull",
    {
        "create": step("pulled", "", "pulling", "operate"),
        "again": step("pulled", "pulled error", "pulling", "operate"),
    },
)

Step = Literal["create", "start", "stop", "restart", "wait", "rest", "gone"]

RUNNING = frozenset({"running", "paused", "restarting"})


@dataclass(frozen=True, slots=True)
class Want:
    """What is wanted of a container.

    `fresh` is true until the wish came true once: from then on a container that is not `kept` is let be, whatever the
    engine or somebody at its console does to it. `restart` asks for one restart.
    """

    running: bool
    fresh: bool
    kept: bool
    restart: bool = False


def next_step(want: Want, seen: str | None) -> Step:
    """The one step that leads from the engine's state `seen` (None: no such container) towards what is wanted.

    `rest` means that nothing is to be done, `gone` that somebody removed it and it is not to come back.
    """
    active = want.fresh or want.kept
    if seen is None and want.kept and not want.running:
        return "rest"
    if seen is None:
        return "create" if active else "gone"
    if seen == "removing":
        return "wait"
    if seen in RUNNING:
        if not want.running:
            return "stop" if active else "rest"
        return "restart" if want.restart else "rest"
    return "start" if want.running and active else "rest"


def pull_pause(tries: int) -> float:
    """Seconds to wait before an image is asked for again after `tries` failures: 15, 30, 60 ... up to five minutes."""
    return float(min(300, 15 * 2 ** min(tries - 1, 5)))


def crash_pause(crashes: int) -> float:
    """Seconds to wait before a container that keeps dying is started again: none, then 1, 2, 4 ... up to a minute."""
    return 0.0 if crashes <= 1 else float(min(60, 2 ** (crashes - 2)))
