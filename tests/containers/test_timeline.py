"""The timeline of a container: repairs with their reasons, counted where they repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container, ContainerEvent
from apps.containers.selectors import events_of
from apps.containers.services import container_act, container_create
from apps.containers.timeline import MAX_EVENTS, record_event
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host


@pytest.fixture
def make(lab: Environment, host: Host, actor_of: Any) -> Callable[..., Container]:
    """A running container as one of a service's."""

    def ask(**fields: Any) -> Container:
        config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **fields})
        row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
        Container.all_objects.filter(pk=row.pk).update(keep_running=True)
        reconcile_until_idle()
        return reload(row)

    return ask


def reload(row: Container) -> Container:
    return Container.all_objects.select_related("host").get(pk=row.pk)


def look(row: Container) -> Container:
    reconcile_one("container", row.pk)
    return reload(row)


def told(row: Container) -> list[tuple[str, str, int]]:
    return [(event.kind, event.reason, event.count) for event in events_of(row)]


def test_what_never_needed_a_repair_has_no_events(make: Any, actor_of: Any):
    row = make()
    for action in ("restart", "stop", "start"):
        container_act(row, action, actor=actor_of("bob"))
        row = look(row)
    assert (row.display_state, told(row)) == ("running", [])


@pytest.mark.parametrize(("oom", "reason"), [(False, "exit code 137"), (True, "out of memory")])
def test_a_restart_is_told_with_its_reason(oom: bool, reason: str, make: Any, sim: SimulatedDriver):
    row = make()
    sim.crash("web", 137, oom=oom)
    row = look(row)
    assert (told(row), row.restarts) == ([("restarted", reason, 1)], 1)


def test_the_engine_s_own_restarts_are_counted_too(make: Any, sim: SimulatedDriver):
    row = make(restartPolicy={"name": "always"})
    for _ in range(3):
        sim.crash("web", 3)
    row = look(row)
    assert [(kind, count) for kind, _reason, count in told(row)] == [("restarted", 3)]
    assert told(look(row)) == told(row)


def test_one_that_vanished_was_recreated(make: Any, sim: SimulatedDriver):
    row = make()
    sim.remove("web")
    assert told(look(row)) == [("recreated", "It was removed on its host.", 1)]


def test_a_check_that_fails_and_succeeds_again_is_told(make: Any, sim: SimulatedDriver):
    row = make()
    for health in ("healthy", "unhealthy", "healthy"):
        sim.health("web", health)
        row = look(row)
    assert [kind for kind, _reason, _count in told(row)] == ["healthy", "unhealthy"]


@pytest.mark.parametrize(("code", "kind"), [(0, "completed"), (3, "failed")])
def test_the_end_of_a_job_is_told_once(code: int, kind: str, make: Any, sim: SimulatedDriver):
    row = make(restartPolicy={"name": "no"})
    sim.crash("web", code)
    row = look(look(row))
    assert told(row) == [(kind, f"exit code {code}", 1)]


def test_the_same_again_is_counted_and_old_events_go(make: Any):
    row = make()
    for number in range(MAX_EVENTS + 5):
        record_event(row, "restarted", f"exit code {number}")
    record_event(row, "restarted", f"exit code {MAX_EVENTS + 4}", times=2)
    assert told(row)[0] == ("restarted", f"exit code {MAX_EVENTS + 4}", 3)
    assert ContainerEvent.objects.filter(container=row).count() == MAX_EVENTS
