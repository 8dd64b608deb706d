"""Services with a schedule, on an engine in memory: what is due, what goes on, what has ended, what is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.console.components.state_badges import badge_of
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_act
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import ActionNotAvailable, Conflict, Invalid
from apps.drivers.simulated.engine import SimulatedDriver
from apps.stacks.models import Service, ServiceRun
from apps.stacks.runs import MAX_ENTRIES
from apps.stacks.selectors import health_of
from apps.stacks.services import service_act, service_update
from apps.stacks.upgrade_services import service_upgrade, service_upgrade_step
from apps.stacks.upgrade_strategy import UpgradeStrategy
from tests.loop.scheduled import EVERY_HOUR, Watch, boxes, end, history

pytestmark = pytest.mark.faces


def test_between_its_runs_it_is_active_and_has_no_containers(schedule_job: Any, at: Any) -> None:
    row = schedule_job()
    assert (row.display_state, health_of(row), row.transitioning, boxes()) == ("active", "healthy", "no", [])
    assert row.status["runs"]["next"] == "2086-05-05T12:00:00+00:00"
    assert row.next_attempt_at <= datetime(2086, 5, 5, 12, 0, 1, tzinfo=UTC)  # the loop's own clock wakes it
    at("2086-05-05 11:59:50")
    assert history() == []


def test_a_due_time_is_one_container_with_its_start_its_end_and_its_exit_code(
    schedule_job: Any, at: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job()
    row = at("2086-05-05 12:00:01")
    assert history("trigger", "revision", "exit_code") == [("05. 12:00", "running", "schedule", 1, None)]
    (box,) = boxes()
    assert (box.name, box.display_state, box.keep_running) == ("shop_job_20860505-120000", "running", False)
    assert row.status["running"] == 1
    end(sim, run_loop)
    row = at("2086-05-05 12:00:30")
    (run,) = ServiceRun.objects.all()
    assert (run.state, run.exit_code, run.container_id, run.message) == ("succeeded", 0, box.pk, "")
    assert run.started_at is not None
    assert run.ended_at is not None
    assert run.ended_at >= run.started_at
    assert (row.display_state, health_of(row), row.status["running"]) == ("active", "healthy", 0)
    assert [seen.state for seen in sim.containers()] == ["exited"]  # kept, with its log
    at("2086-05-05 13:00:01")
    assert history() == [("05. 12:00", "succeeded"), ("05. 13:00", "running")]


def test_a_failed_run_makes_the_service_degraded_until_one_succeeds(
    schedule_job: Any, at: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job()
    at("2086-05-05 12:00:01")
    end(sim, run_loop, code=3)
    row = at("2086-05-05 12:01")
    assert (row.display_state, health_of(row)) == ("active", "degraded")
    assert row.message == "The run of 2086-05-05 12:00 UTC failed with exit code 3"
    assert history("exit_code") == [("05. 12:00", "failed", 3)]
    assert len(sim.containers()) == 1  # it is not started again
    at("2086-05-05 13:00:01")
    end(sim, run_loop)
    row = at("2086-05-05 13:01")
    assert (health_of(row), row.message) == ("healthy", "")


@pytest.mark.parametrize(
    ("overlap", "states"),
    [("skip", ["running", "skipped"]), ("wait", ["running", "waiting"]), ("replace", ["replaced", "running"])],
)
def test_the_policy_says_what_becomes_of_a_run_while_another_goes_on(
    overlap: str, states: list[str], schedule_job: Any, at: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job({"overlap": overlap})
    at("2086-05-05 12:00:01")
    at("2086-05-05 13:00:01")
    row = at("2086-05-05 13:00:10")
    assert [state for _due, state in history()] == states
    assert sum(seen.state == "running" for seen in sim.containers()) == 1
    assert health_of(row) == "healthy"
    end(sim, run_loop)
    at("2086-05-05 13:10")
    wanted = {"skip": ["succeeded", "skipped"], "wait": ["succeeded", "running"], "replace": ["replaced", "succeeded"]}
    assert [state for _due, state in history()] == wanted[overlap]


def test_at_most_one_run_waits_and_what_is_skipped_in_a_row_is_one_entry(
    schedule_job: Any, at: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job({"overlap": "wait"})
    for hour in range(12, 18):
        at(f"2086-05-05 {hour}:00:01")
    assert history("count") == [
        ("05. 12:00", "running", 1),
        ("05. 13:00", "waiting", 1),
        ("05. 17:00", "skipped", 4),
    ]
    assert f"{ServiceRun.objects.get(state='skipped').first_due_at:%H}" == "14"
    end(sim, run_loop)
    at("2086-05-05 17:10")
    assert [state for _due, state in history()] == ["succeeded", "running", "skipped"]


def test_a_run_that_takes_too_long_is_stopped(schedule_job: Any, at: Any, sim: SimulatedDriver, watch: Watch) -> None:
    # The engine says when it began, and is this test's own.
    object.__setattr__(sim._core.runtime, "now", lambda: int(watch.now().timestamp() * 10**9))
    schedule_job({"timeLimit": 600})
    at("2086-05-05 12:00:01")
    row = at("2086-05-05 12:05")
    assert [state for _due, state in history()] == ["running"]
    assert row.next_attempt_at <= datetime(2086, 5, 5, 12, 10, 5, tzinfo=UTC)
    at("2086-05-05 12:10:02")
    row = at("2086-05-05 12:10:20")
    assert [state for _due, state in history()] == ["timed-out"]
    assert [seen.state for seen in sim.containers()] == ["exited"]
    assert health_of(row) == "degraded"
    assert row.message == "The run of 2086-05-05 12:00 UTC took too long and was stopped"


def test_what_was_missed_is_said_once_and_not_replayed(schedule_job: Any, at: Any) -> None:
    schedule_job()
    at("2086-05-06 03:30")
    assert history("count") == [("06. 03:00", "missed", 16)]
    at("2086-05-06 07:30")
    assert history("count") == [("06. 07:00", "missed", 20)]
    assert boxes() == []
    row = at("2086-05-06 08:00:02")
    assert history("count")[1:] == [("06. 08:00", "running", 1)]
    assert health_of(row) == "healthy"


def test_the_last_one_that_was_missed_is_caught_up_where_that_is_wanted(schedule_job: Any, at: Any) -> None:
    schedule_job({"catchUp": True})
    at("2086-05-06 03:30")
    assert history("count", "trigger") == [
        ("06. 02:00", "missed", 15, "schedule"),
        ("06. 03:00", "running", 1, "catch-up"),
    ]


def test_what_was_due_while_it_was_stopped_was_not_missed(
    schedule_job: Any, at: Any, actor_of: Any, run_loop: Any
) -> None:
    row = schedule_job({"catchUp": True})
    service_act(row, "deactivate", actor=actor_of("bob"))
    row = at("2086-05-05 18:30")
    assert (row.display_state, health_of(row)) == ("inactive", "stopped")
    service_act(row, "activate", actor=actor_of("bob"))
    run_loop()
    assert history() == []
    at("2086-05-05 19:00:01")
    assert history() == [("05. 19:00", "running")]


def test_stopping_the_service_stops_the_run_that_goes_on(
    schedule_job: Any, at: Any, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job({"overlap": "wait"})
    at("2086-05-05 12:00:01")
    row = at("2086-05-05 13:00:01")
    service_act(row, "deactivate", actor=actor_of("bob"))
    reconcile_one("service", row.pk)
    row.refresh_from_db()
    assert (row.display_state, row.message) == ("deactivating", "Stopping the run that goes on")
    run_loop()
    row = at("2086-05-05 13:00:20")
    assert row.display_state == "inactive"
    assert [state for _due, state in history()] == ["stopped", "stopped"]
    assert [seen.state for seen in sim.containers()] == ["exited"]


def test_removing_the_service_removes_every_run(
    schedule_job: Any, at: Any, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job()
    at("2086-05-05 12:00:01")
    end(sim, run_loop)
    row = at("2086-05-05 13:00:01")
    assert len(sim.containers()) == 2
    service_act(row, "remove", actor=actor_of("alice"))
    run_loop()
    row = at("2086-05-05 13:00:20")
    assert (row.display_state, sim.containers(), boxes()) == ("removed", [], [])


def test_only_the_containers_of_the_last_runs_are_kept(
    schedule_job: Any, at: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job({"keepRuns": 2})
    for hour in range(12, 17):
        at(f"2086-05-05 {hour}:00:01")
        end(sim, run_loop)
    at("2086-05-05 16:01")
    assert [run.container is not None for run in ServiceRun.objects.order_by("due_at")] == [
        False,
        False,
        False,
        True,
        True,
    ]
    assert len(sim.containers()) == 2


def test_the_history_is_bounded_and_never_forgets_how_far_it_came(schedule_job: Any, at: Any, watch: Watch) -> None:
    row = schedule_job()
    watch.set("2086-05-05 12:00:01")
    when = watch.now().replace(microsecond=0)
    ServiceRun.objects.create(service=row, due_at=when.replace(second=0), first_due_at=when, state="succeeded")
    by_hand = [when + timedelta(seconds=number) for number in range(1, MAX_ENTRIES + 20)]
    ServiceRun.objects.bulk_create(
        [
            ServiceRun(service=row, due_at=each, first_due_at=each, trigger="manual", state="succeeded")
            for each in by_hand
        ]
    )
    Service.all_objects.update(next_attempt_at=watch.now())
    at("2086-05-05 12:00:02")
    assert ServiceRun.objects.count() == MAX_ENTRIES + 1
    assert ServiceRun.objects.filter(trigger="schedule", state="succeeded").count() == 1
    assert boxes() == []  # noon is not run once more


def test_run_now_runs_it_once_more_whatever_the_clock_says(
    schedule_job: Any, at: Any, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    row = schedule_job()
    at("2086-05-05 11:59:10")
    row.refresh_from_db()
    service_act(row, "runnow", actor=actor_of("bob"))
    run_loop()
    (run,) = ServiceRun.objects.all()
    assert (run.state, run.trigger, str(run.account)) == ("running", "manual", str(actor_of("bob").user))
    assert AuditEntry.all_objects.filter(event="service.runnow").count() == 1
    assert Operation.all_objects.get(name="service.runnow").state == "succeeded"
    row.refresh_from_db()
    with pytest.raises(Conflict, match="is running"):
        service_act(row, "runnow", actor=actor_of("bob"))
    assert AuditEntry.all_objects.filter(event="service.runnow").count() == 1
    end(sim, run_loop)
    at("2086-05-05 12:00:01")
    assert [state for _due, state in history()] == ["succeeded", "running"]


def test_run_now_waits_or_replaces_as_the_schedule_says(
    schedule_job: Any, at: Any, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job({"overlap": "wait"})
    row = at("2086-05-05 12:00:01")
    service_act(row, "runnow", actor=actor_of("bob"))
    run_loop()
    assert [state for _due, state in history()] == ["running", "waiting"]
    row.refresh_from_db()
    with pytest.raises(Conflict, match="waiting to start already"):
        service_act(row, "runnow", actor=actor_of("bob"))
    row = service_update(
        Service.all_objects.get(pk=row.pk), actor=actor_of("bob"), schedule={**EVERY_HOUR, "overlap": "replace"}
    )
    run_loop()
    at("2086-05-05 12:00:30")
    assert [state for _due, state in history()] == ["replaced", "running"]
    assert sum(seen.state == "running" for seen in sim.containers()) == 1


def test_only_a_scheduled_service_that_is_started_can_be_run_now(
    schedule_job: Any, actor_of: Any, run_loop: Any
) -> None:
    row = schedule_job(start_on_create=False)
    with pytest.raises(ActionNotAvailable, match="inactive"):
        service_act(row, "runnow", actor=actor_of("bob"))
    plain = schedule_job(name="web", schedule=None)
    plain = service_update(plain, actor=actor_of("bob"), schedule=None)
    run_loop()
    plain.refresh_from_db()
    assert (plain.display_state, plain.status["running"]) == ("active", 1)
    with pytest.raises(ActionNotAvailable, match="has no schedule"):
        service_act(plain, "runnow", actor=actor_of("bob"))


def test_an_upgrade_changes_the_next_runs_and_a_rollback_those_after(
    schedule_job: Any, at: Any, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    schedule_job()
    sim.local_images.add("bb:new")
    row = at("2086-05-05 12:00:01")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:new"})
    service_upgrade(row, actor=actor_of("bob"), config=config, strategy=UpgradeStrategy())
    row = at("2086-05-05 12:01")
    assert row.display_state == "upgraded"
    assert [box.image for box in boxes() if box.display_state == "running"] == ["bb:local"]  # what goes on, goes on
    end(sim, run_loop)
    row = at("2086-05-05 13:00:01")
    assert history("revision")[1:] == [("05. 13:00", "running", 2)]
    end(sim, run_loop)
    service_upgrade_step(Service.all_objects.get(pk=row.pk), "rollback", actor=actor_of("bob"))
    row = at("2086-05-05 14:00:01")
    assert row.display_state == "active"
    assert history("revision")[2:] == [("05. 14:00", "running", 1)]


def test_a_schedule_takes_the_place_of_a_scale_and_back(
    schedule_job: Any, at: Any, actor_of: Any, sim: SimulatedDriver, run_loop: Any
) -> None:
    row = service_update(schedule_job(scale=2), actor=actor_of("bob"), schedule=None)
    run_loop()
    assert len(sim.containers()) == 2
    row.refresh_from_db()
    service_update(row, actor=actor_of("bob"), schedule=EVERY_HOUR)
    row = at("2086-05-05 11:59:30")
    assert (row.display_state, sim.containers()) == ("active", [])
    row = at("2086-05-05 12:00:01")
    assert [state for _due, state in history()] == ["running"]
    service_update(row, actor=actor_of("bob"), schedule=None)
    run_loop()
    row = at("2086-05-05 12:00:30")
    assert [state for _due, state in history()] == ["stopped"]
    assert sum(seen.state == "running" for seen in sim.containers()) == 2
    assert len(sim.containers()) == 2
    assert "runs" not in row.status


def test_another_time_counts_from_now_on_and_another_limit_changes_nothing_else(
    schedule_job: Any, at: Any, actor_of: Any
) -> None:
    row = schedule_job({"catchUp": True})
    since = row.schedule["since"]
    row = service_update(row, actor=actor_of("bob"), schedule={**EVERY_HOUR, "timeLimit": 60})
    assert row.schedule["since"] == since
    row = at("2086-05-05 12:30")
    row = service_update(row, actor=actor_of("bob"), schedule={"cron": "15 * * * *", "catchUp": True})
    at("2086-05-05 12:31")
    assert "05. 12:15" not in [due for due, _state in history()]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"fields": {"labels": {"io.rancher.scheduler.global": "true"}}}, "drop the label or the schedule"),
        ({"scale_policy": {"min": 1, "max": 2}}, "drop the policy or the schedule"),
        ({"fields": {"imageUuid": "docker:rancher/none"}}, "stands for no containers"),
    ],
)
def test_a_schedule_excludes_what_says_otherwise_how_many_there_are(more: Any, words: str, schedule_job: Any) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        schedule_job(**more)
    assert caught.value.field == "schedule"
    assert Service.all_objects.count() == 0


def test_what_would_contradict_the_schedule_later_is_refused_as_well(schedule_job: Any, actor_of: Any) -> None:
    row, bob = schedule_job(), actor_of("bob")
    with pytest.raises(Invalid, match="cannot be scaled"):
        service_update(row, actor=bob, scale=3)
    with pytest.raises(Invalid, match="drop the policy or the schedule"):
        service_update(row, actor=bob, scale_policy={"min": 1, "max": 2})
    spread = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": {"io.rancher.scheduler.global": "true"}})
    with pytest.raises(Invalid, match="drop the label or the schedule"):
        service_upgrade(row, actor=bob, config=spread, strategy=UpgradeStrategy())
    service_update(row, actor=bob, scale=1)  # clients send along what it is


def test_labels_of_a_compose_file_schedule_a_service(schedule_job: Any) -> None:
    labels = {"io.corral.schedule": "30 2 * * *", "io.corral.schedule.time_zone": "Europe/Berlin"}
    row = schedule_job(schedule=None, fields={"labels": labels}, name="other")
    assert row.timetable.cron == "0 * * * *"  # what is said outright wins


@pytest.mark.parametrize("code", [137, 143])
def test_a_run_that_somebody_stops_has_not_failed(
    schedule_job: Any, at: Any, actor_of: Any, run_loop: Any, code: int
) -> None:
    schedule_job(fields={"runInit": True})
    at("2086-05-05 12:00:01")
    (box,) = boxes()
    container_act(box, "stop", actor=actor_of("bob"))
    Container.all_objects.filter(pk=box.pk).update(status={**box.status, "exit_code": code})
    run_loop()
    row = at("2086-05-05 12:01")
    assert history() == [("05. 12:00", "stopped")]
    assert (row.display_state, health_of(row), row.message) == ("active", "healthy", "")
    assert badge_of(boxes()[0]).tone != "bad"
