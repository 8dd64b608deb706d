"""Containers that end: crash loops are counted and told, jobs are not run again, and the last reason stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.endings import RunEnd, count_crashes, crash_message, is_over, seconds_to_settle
from apps.containers.launch.config import LaunchConfig
from apps.containers.launch.values import RestartPolicy
from apps.containers.models import Container
from apps.containers.services import container_act, container_create
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import Problem
from apps.drivers.base import EngineConflict, EngineContainer, EngineError
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host

NOW = timezone.now()


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


SEEN = EngineContainer(
    id="c0ffee", name="web", image="bb", image_id="i", state="exited", labels={}, started_at=at(-5), finished_at=at(-1)
)


@pytest.mark.parametrize(
    ("policy", "seen", "over"),
    [
        (None, {"exit_code": 0}, False),
        ({}, {"exit_code": 0}, False),
        ({"name": "no"}, {"exit_code": 0}, True),
        ({"name": "no"}, {"exit_code": 3}, True),
        ({"name": "no"}, {"state": "dead", "exit_code": 137}, True),
        ({"name": "no"}, {"state": "running"}, False),
        ({"name": "no"}, {"state": "created", "started_at": ""}, False),
        ({"name": "on-failure"}, {"exit_code": 0}, True),
        ({"name": "on-failure"}, {"exit_code": 3, "restart_count": 90}, False),
        ({"name": "on-failure", "maximum_retry_count": 3}, {"exit_code": 3, "restart_count": 2}, False),
        ({"name": "on-failure", "maximum_retry_count": 3}, {"exit_code": 3, "restart_count": 3}, True),
        ({"name": "always"}, {"exit_code": 0}, False),
        ({"name": "unless-stopped"}, {"exit_code": 0}, False),
    ],
)
def test_which_end_is_the_last(policy: dict[str, Any] | None, seen: dict[str, Any], over: bool):
    rule = RestartPolicy(**policy) if policy is not None else None
    assert is_over(rule, replace(SEEN, **seen)) is over


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (RunEnd("t", 137), "exit code 137"),
        (RunEnd("t", 137, oom_killed=True), "out of memory"),
        (RunEnd("t", 127, error="no such file"), "no such file"),
        (RunEnd("t"), "ended"),
    ],
)
def test_why_it_ended(end: RunEnd, reason: str):
    assert end.reason == reason
    assert RunEnd.from_status({"last_end": end.to_status()}) == end


def test_what_is_said_of_a_crash_loop():
    assert crash_message(1, RunEnd("t", 1)) == ""
    assert crash_message(1, RunEnd("t", 1), delay=13.2) == "Keeps crashing (exit code 1); restarts in 13 s."
    assert crash_message(4, None) == "Keeps crashing."


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.booleans(), st.booleans())
def test_crashes_are_counted_up_or_forgotten(known: int, old: int, new: int, started: bool, failed: bool):
    now = replace(SEEN, state="restarting", restart_count=new)
    found = count_crashes(known, SEEN, now, old, started=started, failed=failed)
    assert found == known + (max(0, new - old) or int(failed or started))


def test_a_long_life_ends_a_crash_loop():
    long = replace(SEEN, started_at=at(-900), finished_at=at(-1))
    assert count_crashes(5, long, SEEN, 0, started=True, failed=False) == 0
    assert (
        count_crashes(5, SEEN, replace(long, state="restarting", restart_count=1), 0, started=False, failed=False) == 1
    )
    assert seconds_to_settle(replace(SEEN, started_at=at(-4)), NOW) == 6
    assert seconds_to_settle(replace(SEEN, started_at=at(-40)), NOW) == 0


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
    """The row after one more reconcile."""
    reconcile_one("container", row.pk)
    return reload(row)


@pytest.mark.parametrize(("policy", "code"), [("no", 0), ("no", 3), ("on-failure", 0)])
def test_a_job_that_has_ended_is_not_run_again(policy: str, code: int, make: Any, sim: SimulatedDriver, actor_of: Any):
    row = make(restartPolicy={"name": policy})
    sim.crash("web", code)
    for _ in range(3):
        row = look(row)
        assert (row.display_state, row.final_exit_code, row.start_count) == ("stopped", code, 1)
    sim.remove("web")
    row = look(row)
    assert (row.display_state, row.removed, row.final_exit_code, sim.containers()) == ("stopped", None, code, [])
    container_act(row, "start", actor=actor_of("bob"))
    row = look(row)
    assert (row.display_state, row.final_exit_code) == ("running", None)


def test_a_job_that_ends_at_once_ran_once(make: Any, sim: SimulatedDriver):
    row = make(restartPolicy={"name": "no"}, command=["true"])
    for _ in range(3):
        row = look(row)
    assert (row.display_state, row.final_exit_code, sim._core.containers.get("web").run) == ("stopped", 0, 1)


def test_what_nobody_decided_about_is_kept_running(make: Any, sim: SimulatedDriver):
    row = make(restartPolicy={})
    sim.crash("web", 0)
    assert look(row).display_state == "running"


def test_an_engine_that_restarts_it_again_and_again_is_a_crash_loop(make: Any, sim: SimulatedDriver):
    row = make(restartPolicy={"name": "always"})
    assert not row.is_crash_looping
    for _ in range(3):
        sim.crash("web", 3)
    row = look(row)
    assert (row.display_state, row.is_crash_looping) == ("running", True)
    assert row.message.startswith("Keeps crashing")
    assert row.next_attempt_at is not None  # to see whether it has settled


def test_a_crash_is_forgotten_once_it_has_run_for_a_while(
    make: Any, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    row = make(restartPolicy={"name": "always"})
    for _ in range(3):
        sim.crash("web", 3)
    row = look(row)
    real = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: real() + timedelta(seconds=30))
    row = look(row)
    assert (row.is_crash_looping, row.message, row.status["crashes"]) == (False, "", 0)


def test_the_reason_of_a_failed_start_stays_until_something_else_happens(
    lab: Environment, host: Host, actor_of: Any, sim: SimulatedDriver
):
    reason = 'exec: "nonsense": executable file not found in $PATH'
    sim.fail_next("start", EngineError(reason), times=9)
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "networkMode": "none"})
    row = container_create(actor=actor_of("bob"), environment=lab, config=config, name="web")
    for _ in range(7):
        row = look(row)
    assert (row.display_state, row.message) == ("error", reason)
    row = look(row)
    assert (row.display_state, row.message, row.transitioning) == ("error", reason, "error")
    sim._failures.clear()
    sim.start("web")
    row = look(row)
    assert (row.display_state, row.message) == ("running", "")


def test_what_was_paused_on_the_engine_says_so_and_goes_on_when_asked(make: Any, sim: SimulatedDriver, actor_of: Any):
    row = make()
    sim.pause("web")
    row = look(row)
    assert (row.display_state, row.message) == ("paused", "Paused on the host.")
    with pytest.raises(Problem):
        container_act(row, "start", actor=actor_of("bob"))
    container_act(row, "unpause", actor=actor_of("bob"))
    row = look(row)
    assert (row.display_state, row.message, sim.inspect("web").state) == ("running", "", "running")
    with pytest.raises(EngineConflict):
        sim.unpause("web")


@pytest.mark.parametrize(("action", "state"), [("stop", "exited"), ("restart", "running")])
def test_what_is_paused_can_be_stopped_and_restarted(
    action: str, state: str, make: Any, sim: SimulatedDriver, actor_of: Any
):
    row = make()
    sim.pause("web")
    container_act(look(row), action, actor=actor_of("bob"))
    look(row)
    assert sim.inspect("web").state == state


def test_what_was_renamed_on_the_engine_gets_its_name_back(make: Any, sim: SimulatedDriver):
    row = make()
    sim.rename("web", "other")
    row = look(row)
    assert (row.name, sim.inspect(row.external_id).name) == ("web", "web")


def test_what_was_made_outside_is_called_as_it_is_there(make: Any, sim: SimulatedDriver):
    row = make()
    Container.all_objects.filter(pk=row.pk).update(native=True, keep_running=False)
    sim.rename("web", "other")
    assert look(row).name == "other"
