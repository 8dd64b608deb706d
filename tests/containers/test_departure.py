"""A container that still gets requests is stopped, started again or removed once nothing holds it any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.departure import is_leaving, leaving_since
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.hooks import hooks
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host


class Holder:
    """Something that sends requests to containers while `reason` is not empty."""

    def __init__(self) -> None:
        self.reason = "Waits for web to send it no more requests."
        self.since: list[str] = []

    def __call__(self, row: Container, since: str) -> tuple[str, list[tuple[str, int]]]:
        self.since.append(since)
        return self.reason, [("host", row.host_id or 0)] if self.reason else []


@pytest.fixture
def holder(monkeypatch: pytest.MonkeyPatch) -> Holder:
    made = Holder()
    monkeypatch.setattr(hooks, "reason_to_run", made)
    return made


@pytest.fixture
def box(lab: Environment, host: Host, actor_of: Any) -> Container:
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
    reconcile_until_idle()
    return reload(row)


def reload(row: Container) -> Container:
    return Container.all_objects.select_related("host").get(pk=row.pk)


@pytest.mark.parametrize(
    ("action", "call", "state"),
    [("stop", "stop", "stopped"), ("restart", "restart", "running"), ("remove", "remove", "removed")],
)
def test_it_runs_until_nothing_holds_it(
    box: Container,
    sim: SimulatedDriver,
    holder: Holder,
    actor_of: Callable[..., Any],
    action: str,
    call: str,
    state: str,
) -> None:
    container_act(box, action, actor=actor_of("bob"))
    reconcile_one("container", box.pk)
    waiting = reload(box)
    assert is_leaving(waiting)
    assert leaving_since(waiting) == holder.since[0]
    assert waiting.message == holder.reason
    assert sim.calls[call] == 0
    reconcile_one("container", box.pk)
    assert len(set(holder.since)) == 1
    holder.reason = ""
    reconcile_one("container", box.pk)
    assert sim.calls[call] == 1
    done = reload(box)
    assert done.display_state == state
    assert not leaving_since(done) or state == "removed"


def test_what_is_wanted_again_is_held_no_more(
    box: Container, sim: SimulatedDriver, holder: Holder, actor_of: Callable[..., Any]
) -> None:
    container_act(box, "stop", actor=actor_of("bob"))
    reconcile_one("container", box.pk)
    Container.all_objects.filter(pk=box.pk).update(desired="running")
    reconcile_one("container", box.pk)
    assert not leaving_since(reload(box))
    assert sim.calls["stop"] == 0


def test_what_does_not_run_is_not_held(box: Container, sim: SimulatedDriver, holder: Holder, actor_of: Any) -> None:
    sim.stop(box.external_id)
    container_act(box, "remove", actor=actor_of("bob"))
    reconcile_one("container", box.pk)
    assert reload(box).removed is not None
    assert holder.since == []
