"""The life cycles of containers (v1 contract, section 5: `instance`) and of work on images; a container's next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apps.core.lifecycle import LifeCycle, transition_to

_ALIVE = (
    "requested creating starting running stopping stopped restarting updating-running updating-stopped error paused"
)

CONTAINER = LifeCycle(
    "container",
    {
        "create": transition_to("", "", "creating", "operate"),
        "start": transition_to("running", "stopped error", "starting", "operate"),
        "stop": transition_to(
            "stopped", "creating running starting restarting updating-running paused", "stopping", "operate"
        ),
        "restart": transition_to("running", "running paused", "restarting", "operate"),
        "unpause": transition_to("running", "paused", "starting", "operate"),
        "remove": transition_to("removed", _ALIVE, "removing", "delete"),
        "purge": transition_to("purged", "removed", "purging", "delete"),
        "update": transition_to("", "running stopped updating-running updating-stopped", "updating-running", "operate"),
    },
    also_transitional=frozenset({"requested", "updating-stopped", "erroring"}),
)

PULL = LifeCycle(
    "pull",
    {
        "create": transition_to("pulled", "", "pulling", "operate"),
        "again": transition_to("pulled", "pulled error cancelled", "pulling", "operate"),
        "cancel": transition_to("cancelled", "requested pulling", "cancelling", "operate", end="error"),
    },
    also_transitional=frozenset({"requested"}),
)

IMAGE_REMOVAL = LifeCycle(
    "imageRemoval",
    {
        "create": transition_to("finished", "", "removing", "hosts"),
        "remove": transition_to("removed", "requested removing", "cancelling", "hosts"),
    },
)

Step = Literal["create", "start", "stop", "restart", "unpause", "wait", "rest", "gone"]

RUNNING = frozenset({"running", "paused", "restarting"})


@dataclass(frozen=True, slots=True)
class DesiredContainer:
    """What is wanted of a container.

    `pending` is true until the desired state was reached once: then a container that is not `keep_running` is left as
    it is, whatever the engine or somebody at its console does to it. `restart` asks for one restart.
    """

    running: bool
    pending: bool
    keep_running: bool
    restart: bool = False


def next_step(desired: DesiredContainer, seen: str | None) -> Step:
    """The one step that leads from the engine's state `seen` (None: no such container) towards what is wanted.

    `rest` means that there is nothing to do, `gone` that somebody removed it and it is not to be recreated.
    """
    active = desired.pending or desired.keep_running
    if seen is None and desired.keep_running and not desired.running:
        return "rest"
    if seen is None:
        return "create" if active else "gone"
    if seen == "removing":
        return "wait"
    if seen in RUNNING:
        return _step_of_running(desired, seen, active=active)
    return "start" if desired.running and active else "rest"


def _step_of_running(desired: DesiredContainer, seen: str, *, active: bool) -> Step:
    if not desired.running:
        return "stop" if active else "rest"
    if desired.restart:
        return "restart"
    # What somebody paused stays paused; every request that a paused one takes means that it is to go on.
    return "unpause" if seen == "paused" and desired.pending else "rest"


def pull_retry_delay(tries: int) -> float:
    """Seconds to wait before an image is pulled again after `tries` failures: 15, 30, 60 ... up to five minutes."""
    return float(min(300, 15 * 2 ** min(tries - 1, 5)))


def rate_limit_delay(tries: int) -> float:
    """Seconds to wait while the registry says that it was asked too often: 5 minutes, 10, 20 ... up to an hour.

    Registries count for hours, and some count what they refuse.
    """
    return float(min(3600, 300 * 2 ** min(tries - 1, 4)))


def crash_restart_delay(crashes: int) -> float:
    """Seconds to wait before a container that keeps dying is started again: none, then 1, 2, 4 ... up to a minute."""
    return 0.0 if crashes <= 1 else float(min(60, 2 ** (crashes - 2)))
