"""Each due time of a scheduled service is one run, whatever is killed, stopped, removed or drained in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from apps.containers import reconcile as containers_loop
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.control.reconcile import reconcile_one
from apps.core.errors import ActionNotAvailable
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from apps.hosts.services import host_act
from apps.stacks import runs as run_steps
from apps.stacks.models import ServiceRun
from apps.stacks.run_plan import START_DEADLINE, plan_due
from apps.stacks.selectors import health_of
from tests.loop.scheduled import Watch, boxes, end, history

pytestmark = pytest.mark.faces


class Killed(BaseException):
    """What a worker that is killed never sees: nothing catches it, and nothing is cleaned up after it."""


TIMES = {"create_all": 3, "_save": 4, "_end": 2, "request_if_allowed": 3}
DEATHS = [(step, nth) for step, times in TIMES.items() for nth in range(1, times + 1)]


@pytest.mark.parametrize(("step", "nth"), DEATHS)
def test_a_worker_killed_at_any_step_of_the_service_runs_nothing_twice_and_loses_nothing(
    step: str, nth: int, schedule_job: Any, at: Any, watch: Watch, sim: SimulatedDriver, run_loop: Any, monkeypatch: Any
) -> None:
    schedule_job({"overlap": "replace", "keepRuns": 1})
    calls = {"left": nth}
    real = getattr(run_steps, step)

    def dies(*args: Any, **kwargs: Any) -> Any:
        calls["left"] -= 1
        if calls["left"] == 0:
            raise Killed
        return real(*args, **kwargs)

    monkeypatch.setattr(run_steps, step, dies)
    for hour in (12, 13, 14):
        for second in ("01", "08", "20"):
            try:
                at(f"2086-05-05 {hour}:00:{second}")
            except Killed:
                # Its lease runs out: nobody else does anything for it.
                watch.offset += timedelta(seconds=91)
                run_loop()
    assert calls["left"] <= 0  # it did die
    monkeypatch.setattr(run_steps, step, real)
    at("2086-05-05 14:03")
    at("2086-05-05 14:04")
    assert [due for due, _state in history()] == ["05. 12:00", "05. 13:00", "05. 14:00"]
    assert {state for _due, state in history()[:2]} <= {"replaced", "stopped"}
    assert history()[2][1] == "running"
    names = Container.all_objects.values_list("name", flat=True)
    assert sorted(names) == [f"shop_job_20860505-{hour}0000" for hour in (12, 13, 14)]  # removed ones included
    assert sum(seen.state == "running" for seen in sim.containers()) == 1


@pytest.mark.parametrize("ends", [True, False])
def test_a_worker_killed_after_it_started_the_container_does_not_start_it_again(
    ends: bool, schedule_job: Any, at: Any, watch: Watch, sim: SimulatedDriver, run_loop: Any, monkeypatch: Any
) -> None:
    schedule_job()
    started: list[str] = []
    real = containers_loop._start

    def dies(row: Container, engine: Any, external_id: str) -> None:
        real(row, engine, external_id)
        started.append(external_id)
        raise Killed

    monkeypatch.setattr(containers_loop, "_start", dies)
    with pytest.raises(Killed):
        at("2086-05-05 12:00:01")
    if ends:
        sim.crash(started[0], 0)
    watch.offset += timedelta(seconds=91)
    run_loop()
    at("2086-05-05 12:03")
    assert len(started) == 1
    (seen,) = sim.containers()
    assert sim._core.containers.get(seen.id).run == 1
    assert history("exit_code") == [("05. 12:00", "succeeded", 0) if ends else ("05. 12:00", "running", None)]


def test_two_reconciles_at_once_enter_a_due_time_once(schedule_job: Any, watch: Watch, monkeypatch: Any) -> None:
    row = schedule_job()
    watch.set("2086-05-05 12:00:01")
    real, inner = plan_due, list[bool]()

    def overtaken(*args: Any, **kwargs: Any) -> Any:
        if not inner:
            inner.append(True)
            due = args[1].last
            ServiceRun.objects.create(service=row, due_at=due, first_due_at=due, state="running")
        return real(*args, **kwargs)

    monkeypatch.setattr(run_steps, "plan_due", overtaken)
    reconcile_one("service", row.pk)
    assert ServiceRun.objects.count() <= 1
    assert boxes() == []


def test_a_run_is_never_started_a_second_time_by_hand(
    schedule_job: Any, at: Any, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job()
    at("2086-05-05 12:00:01")
    end(sim, run_loop)
    (box,) = boxes()
    with pytest.raises(ActionNotAvailable, match="one run of a scheduled service"):
        container_act(box, "start", actor=actor_of("bob"))


@pytest.mark.parametrize("action", ["stop", "remove"])
def test_people_may_end_a_run_at_its_container(
    action: str, schedule_job: Any, at: Any, actor_of: Any, run_loop: Any
) -> None:
    schedule_job()
    at("2086-05-05 12:00:01")
    (box,) = boxes()
    container_act(box, action, actor=actor_of("alice"))
    run_loop()
    row = at("2086-05-05 12:01")
    assert [state for _due, state in history()] == [{"stop": "stopped", "remove": "failed"}[action]]
    assert health_of(row) == {"stop": "healthy", "remove": "degraded"}[action]


def test_a_run_waits_for_a_host_for_a_while_and_never_starts_after_that(
    schedule_job: Any, at: Any, watch: Watch, host: Host, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    host_act(Host.all_objects.get(pk=host.pk), "deactivate", actor=actor_of("alice"))
    run_loop()
    schedule_job()
    at("2086-05-05 12:00:01")
    row = at("2086-05-05 12:00:20")
    assert [state for _due, state in history()] == ["starting"]
    assert (health_of(row), "Scheduling failed" in row.message) == ("degraded", True)
    watch.offset += START_DEADLINE
    run_loop()
    at("2086-05-05 12:11")
    (run,) = ServiceRun.objects.all()
    assert (run.state, run.exit_code) == ("failed", None)
    assert "Scheduling failed" in run.message
    host_act(Host.all_objects.get(pk=host.pk), "activate", actor=actor_of("alice"))
    run_loop()
    at("2086-05-05 12:12")
    assert sim.containers() == []


def test_an_image_that_cannot_be_pulled_is_the_reason_why_it_failed(schedule_job: Any, at: Any) -> None:
    schedule_job(fields={"imageUuid": "docker:nowhere/none:1"})
    at("2086-05-05 12:00:01")
    at("2086-05-05 12:00:30")
    row = at("2086-05-05 12:01:30")
    (run,) = ServiceRun.objects.all()
    assert run.state == "failed"
    assert run.message
    assert (health_of(row), boxes()) == ("degraded", [])


def test_draining_a_host_waits_for_its_runs(
    schedule_job: Any, at: Any, host: Host, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job()
    at("2086-05-05 12:00:01")
    host_act(Host.all_objects.get(pk=host.pk), "evacuate", actor=actor_of("alice"))
    run_loop()
    found = Host.all_objects.get(pk=host.pk)
    assert [state for _due, state in history()] == ["running"]
    assert found.is_draining
    end(sim, run_loop)
    at("2086-05-05 12:05")
    assert [state for _due, state in history()] == ["succeeded"]
    assert not Host.all_objects.get(pk=host.pk).is_draining


def test_many_scheduled_services_take_as_many_queries_each_as_one(
    schedule_job: Any, watch: Watch, django_assert_max_num_queries: Any
) -> None:
    """The clock queues what is due with one statement a kind; a run is found by its own service alone."""
    rows = [schedule_job(name=f"job{number}") for number in range(3)]
    watch.set("2086-05-05 12:00:01")
    with django_assert_max_num_queries(60) as first:
        reconcile_one("service", rows[0].pk)
    with django_assert_max_num_queries(len(first.captured_queries)):
        reconcile_one("service", rows[2].pk)
