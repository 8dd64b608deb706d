"""Scheduled services over the API: the field `schedule`, the action `runnow`, the collection of runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from tests.wire.api_client import ApiClient

DAILY = {"cron": "@daily", "timeZone": "Europe/Berlin", "overlap": "wait"}


@pytest.fixture
def job(api: ApiClient, host: Host, run_loop: Callable[[], None]) -> Any:
    """A started service with a schedule; calls give it anew."""
    del host
    stack = api.post("environments", {"name": "shop"})
    launch = {"imageUuid": "docker:bb:local"}
    body = {"name": "job", "environmentId": stack["id"], "startOnCreate": True, "launchConfig": launch}
    made = api.post("services", {**body, "schedule": DAILY})
    assert made.status == 201

    def read() -> Any:
        run_loop()
        return api.get(f"services/{made['id']}")

    return read


def test_a_schedule_is_shown_with_its_defaults_and_its_next_times(job: Any) -> None:
    row = job()
    schedule = row["schedule"]
    assert (row["state"], row["healthState"], row["currentScale"]) == ("active", "healthy", 0)
    times = schedule.pop("nextRuns")
    assert len(times) == 5
    assert all(each.endswith(("T23:00:00Z", "T22:00:00Z")) for each in times)  # midnight in Berlin
    assert schedule == {
        "type": "serviceSchedule",
        "cron": "0 0 * * *",
        "timeZone": "Europe/Berlin",
        "overlap": "wait",
        "keepRuns": 5,
        "timeLimit": None,
        "catchUp": False,
    }


def test_what_was_read_may_be_sent_back_and_null_takes_the_schedule_away(api: ApiClient, job: Any) -> None:
    row = job()
    answer = api.put(f"services/{row['id']}", {"schedule": {**row["schedule"], "timeLimit": 60}})
    assert (answer.status, answer["schedule"]["timeLimit"]) == (200, 60)
    assert api.put(f"services/{row['id']}", {"description": "x"})["schedule"]["timeLimit"] == 60
    assert api.put(f"services/{row['id']}", {"schedule": None})["schedule"] is None
    row = job()
    assert (row["schedule"], row["currentScale"], "runnow" in row["actions"]) == (None, 1, False)
    assert api.put(f"services/{row['id']}", {"schedule": DAILY})["schedule"]["cron"] == "0 0 * * *"
    assert job()["currentScale"] == 0


@pytest.mark.parametrize(
    ("sent", "field", "code"),
    [
        ({"cron": "0 25 * * *"}, "schedule.cron", "InvalidFormat"),
        ({"timeZone": "UTC"}, "schedule.cron", "MissingRequired"),
        ({"cron": 5}, "schedule.cron", "InvalidFormat"),
        ({"cron": "@daily", "timeZone": "Nowhere"}, "schedule.timeZone", "InvalidOption"),
        ({"cron": "@daily", "overlap": "x"}, "schedule.overlap", "InvalidOption"),
        ({"cron": "@daily", "keepRuns": 1000}, "schedule.keepRuns", "MaxLimitExceeded"),
        ("@daily", "schedule", "InvalidFormat"),
    ],
)
def test_a_bad_schedule_is_refused_by_its_field(api: ApiClient, job: Any, sent: Any, field: str, code: str) -> None:
    row = job()
    answer = api.put(f"services/{row['id']}", {"schedule": sent})
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, field, code)


def test_run_now_and_the_history_of_runs(api: ApiClient, job: Any, sim: SimulatedDriver) -> None:
    row = job()
    assert {"runnow", "upgrade", "deactivate"} <= set(row["actions"])
    assert "restart" not in row["actions"]
    answer = api.post(f"services/{row['id']}?action=runnow")
    assert (answer.status, answer["state"]) == (202, "updating-active")
    row = job()
    assert row["state"] == "active"
    (run,) = api.get(f"services/{row['id']}/runs")["data"]
    assert (run["type"], run["state"], run["trigger"]) == ("serviceRun", "running", "manual")
    assert (run["serviceId"], run["requestedBy"], run["exitCode"], run["revision"]) == (row["id"], "Alice", None, 1)
    instance = api.get(f"containers/{run['instanceId']}")
    assert instance["name"].startswith("shop_job_")
    assert "logs" in instance["actions"]
    assert api.post(f"services/{row['id']}?action=runnow").status == 202  # it waits, as the schedule says
    job()
    assert api.post(f"services/{row['id']}?action=runnow").status == 409
    (seen,) = [each for each in sim.containers() if each.state == "running"]
    sim.crash(seen.id, 4)
    Container.all_objects.update(next_attempt_at="2020-01-01T00:00:00Z")
    row = job()
    runs = api.get(f"serviceruns?serviceId={row['id']}&sort=dueAt")["data"]
    assert [(each["state"], each["exitCode"]) for each in runs] == [("failed", 4), ("running", None)]
    assert row["healthState"] == "degraded"
    assert api.get(f"serviceruns/{runs[0]['id']}")["transitioningMessage"] == "Ended with exit code 4."


def test_runs_are_read_by_those_who_see_the_service_and_changed_by_nobody(
    api: ApiClient, api_of: Any, job: Any
) -> None:
    row = job()
    api.post(f"services/{row['id']}?action=runnow")
    job()
    (run,) = api.get("serviceruns?state=running")["data"]
    for method in (api.put, api.post):
        assert method(f"serviceruns/{run['id']}", {"state": "x"}).status == 405
    assert api.delete(f"serviceruns/{run['id']}").status == 405
    assert api_of("mallory").get(f"serviceruns/{run['id']}").status == 404
    assert api_of("mallory").get("serviceruns")["data"] == []


def test_labels_of_a_compose_file_schedule_a_service_and_come_back_with_it(api: ApiClient, host: Host) -> None:
    del host
    text = """
job:
  image: bb:local
  labels:
    io.corral.schedule: "30 3 * * MON-FRI"
    io.corral.schedule.time_zone: Europe/Berlin
    io.corral.schedule.keep_runs: "9"
"""
    stack = api.post("environments", {"name": "shop", "dockerCompose": text, "startOnCreate": True})
    assert stack.status == 201
    (row,) = api.get(f"services?environmentId={stack['id']}")["data"]
    assert (row["schedule"]["cron"], row["schedule"]["keepRuns"]) == ("30 3 * * MON-FRI", 9)
    changed = {**row["schedule"], "cron": "0 4 * * *", "keepRuns": 5}
    api.put(f"services/{row['id']}", {"schedule": changed})
    exported = api.post(f"environments/{stack['id']}?action=exportconfig")["dockerComposeConfig"]
    assert "io.corral.schedule: 0 4 * * *" in exported
    assert "io.corral.schedule.time_zone: Europe/Berlin" in exported
    assert "keep_runs" not in exported
    again = api.post("environments", {"name": "again", "dockerCompose": exported})
    (copied,) = api.get(f"services?environmentId={again['id']}")["data"]
    assert copied["schedule"]["cron"] == "0 4 * * *"
    bad = api.post("environments", {"name": "bad", "dockerCompose": text.replace("30 3", "99 3")})
    assert bad.status == 422
    assert "io.corral.schedule" in bad["message"]
    assert "no minute" in bad["message"]


def test_a_scale_policy_is_taken_away_by_null_and_leaves_as_many_as_there_are(
    api: ApiClient, host: Host, run_loop: Any
) -> None:
    del host
    stack = api.post("environments", {"name": "shop"})
    launch = {"imageUuid": "docker:bb:local"}
    body = {"name": "web", "environmentId": stack["id"], "startOnCreate": True, "launchConfig": launch}
    made = api.post("services", {**body, "scalePolicy": {"min": 1, "max": 3}})
    run_loop()
    assert api.get(f"services/{made['id']}")["currentScale"] == 3
    assert api.put(f"services/{made['id']}", {"description": "kept"})["scalePolicy"]["max"] == 3
    run_loop()
    answer = api.put(f"services/{made['id']}", {"scalePolicy": None})
    assert (answer.status, answer["scalePolicy"], answer["scale"]) == (200, None, 3)
    run_loop()
    assert api.get(f"services/{made['id']}")["currentScale"] == 3
    assert api.put(f"services/{made['id']}", {"scale": 1})["scale"] == 1


def test_what_no_host_could_ever_give_is_refused_with_the_service_of_the_file(api: ApiClient, host: Host) -> None:
    del host
    text = "a: {image: bb:local}\nbig: {image: bb:local, mem_reservation: 900g}\n"
    answer = api.post("environments", {"name": "big", "dockerCompose": text})
    assert answer.status == 422
    assert answer["message"].startswith("big: ")
    assert "the biggest host here has" in answer["message"]
