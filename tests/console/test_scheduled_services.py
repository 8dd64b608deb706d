"""Scheduled services in the console: the form with its live preview, the page with its runs, the change of kind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.stacks.models import Service, ServiceRun, Stack

HX = {"HX-Request": "true"}
NIGHTLY = {"runs": "schedule", "cron": "30 2 * * *", "timeZone": "Europe/Berlin", "overlap": "wait", "keepRuns": "7"}


@pytest.fixture
def add(browser_as: Any, at: Any, shop: Stack, run_loop: Any) -> Any:
    """Posts the form as an operator; the answer."""

    def post(**fields: str) -> Any:
        form = {"name": "backup", "image": "bb:local", "scale": "1", "start": "on", **fields}
        answer = browser_as("bob").post(at("service-new", stack=shop.pk), form, headers=HX)
        run_loop()
        return answer

    return post


def backup() -> Service:
    """The service as it is now."""
    found: Service = Service.all_objects.get(name="backup")
    return found


def page_text(browser_as: Any, url: str, who: str = "bob") -> str:
    """What a page says, in one line."""
    return " ".join(browser_as(who).get(url).content.decode().split())


def test_a_schedule_is_chosen_shown_and_copied(add: Any, browser_as: Any, at: Any) -> None:
    add(**NIGHTLY, timeLimit="600", catchUp="on")
    row = backup()
    assert row.timetable is not None
    assert row.timetable.to_wire() == {
        "cron": "30 2 * * *",
        "timeZone": "Europe/Berlin",
        "overlap": "wait",
        "keepRuns": 7,
        "timeLimit": 600,
        "catchUp": True,
    }
    page = page_text(browser_as, at("service", pk=row.pk))
    assert "<code>30 2 * * *</code> Europe/Berlin" in page
    assert "It has not run yet" in page
    assert 'name="by"' not in page
    assert "Run now" in page
    assert "Restart" not in page
    copy = page_text(browser_as, at("service-clone", pk=row.pk))
    assert '<option value="schedule" selected>' in copy
    assert 'value="30 2 * * *"' in copy
    assert "io.corral.schedule" not in copy
    assert "<code>30 2 * * *</code>" in page_text(browser_as, at("stack", pk=row.stack_id))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cron": "99 * * * *"}, "is no minute"),
        ({"cron": ""}, "say when it runs"),
        ({"timeZone": "Mars"}, "is no time zone"),
        ({"timeLimit": "soon"}, "must be a whole number"),
        ({"keepRuns": "900"}, "must not be more than 100"),
        ({"overlap": "x"}, "is one of skip, wait, replace"),
    ],
)
def test_a_bad_schedule_is_reported_at_its_field_and_nothing_is_made(add: Any, fields: dict[str, str], words: str):
    answer = add(**{**NIGHTLY, **fields})
    (name,) = fields
    assert (answer.status_code, list(answer.context["errors"])) == (422, [name])
    assert words in answer.content.decode()
    assert not Service.all_objects.filter(name="backup").exists()


def test_the_next_times_are_shown_while_the_expression_is_typed(browser_as: Any, at: Any, shop: Stack) -> None:
    del shop
    bob, url = browser_as("bob"), at("schedule-preview")
    found = bob.post(url, {"cron": "30 2 * * *", "timeZone": "Europe/Berlin"}, headers=HX)
    times = found.context["times"]
    assert len(times) == 5
    assert all(" 02:30 CE" in each or " 03:00 CE" in each for each in times)
    assert "is no hour" in bob.post(url, {"cron": "0 30 * * *", "timeZone": "UTC"}, headers=HX).content.decode()
    assert "no time zone" in bob.post(url, {"cron": "@daily", "timeZone": "x"}, headers=HX).content.decode()
    assert "Type when it runs" in bob.post(url, {"cron": " "}, headers=HX).content.decode()
    assert bob.get(url).status_code == 405


def test_the_preview_of_compose_files_has_the_labels(browser_as: Any, at: Any, shop: Stack) -> None:
    del shop
    form = {"name": "backup", "image": "bb:local", **NIGHTLY}
    page = browser_as("bob").post(at("service-preview"), form, headers=HX).content.decode()
    assert "io.corral.schedule: 30 2 * * *" in page
    assert "io.corral.schedule.overlap: wait" in page


def test_run_now_and_the_history_with_exit_codes_durations_and_logs(
    add: Any, browser_as: Any, at: Any, run_loop: Any
) -> None:
    add(**NIGHTLY)
    row = backup()
    answer = browser_as("bob").post(at("service-do", pk=row.pk, action="runnow"), headers=HX)
    assert answer.status_code == 204
    run_loop()
    run = ServiceRun.objects.get()
    assert run.container is not None
    page = page_text(browser_as, at("service", pk=row.pk))
    assert "by hand, Bob" in page
    assert f"{run.container.name}</a>" in page
    assert at("container-logs", pk=run.container_id) in page
    ended = timezone.now()
    ServiceRun.objects.update(
        state="failed", exit_code=3, started_at=ended - timedelta(seconds=75), ended_at=ended, message="Ended."
    )
    missed = {"first_due_at": ended - timedelta(hours=30), "due_at": ended - timedelta(hours=10)}
    ServiceRun.objects.create(service=row, state="missed", count=20, **missed)
    page = page_text(browser_as, at("service", pk=row.pk), "rita")
    assert "0:01:15" in page
    assert '<td class="tight">3</td>' in page
    assert "20 due times" in page
    assert "missed" in page


def test_people_who_only_read_cannot_run_it(add: Any, browser_as: Any, at: Any) -> None:
    add(**NIGHTLY)
    answer = browser_as("rita").post(at("service-do", pk=backup().pk, action="runnow"), headers=HX)
    assert answer.status_code == 403
    assert not ServiceRun.objects.exists()
    assert browser_as("rita").get(at("service-policies", pk=backup().pk)).status_code == 403


def test_the_kind_is_changed_in_a_dialog_and_what_does_not_go_with_it_is_taken_away(
    add: Any, browser_as: Any, at: Any, run_loop: Any
) -> None:
    add(runs="fit", fitMin="1", fitMax="2")
    bob, url = browser_as("bob"), at("service-policies", pk=backup().pk)
    assert '<option value="fit" selected>' in page_text(browser_as, url)
    assert 'value="global"' not in page_text(browser_as, url)
    assert bob.post(url, {"runs": "number", "scale": "3"}, headers=HX).status_code == 204
    run_loop()
    assert (backup().scale_policy, backup().scale, backup().schedule) == ({}, 3, {})
    bad = bob.post(url, {**NIGHTLY, "cron": "x"}, headers=HX)
    assert (bad.status_code, list(bad.context["errors"])) == (422, ["cron"])
    assert bob.post(url, NIGHTLY, headers=HX).status_code == 204
    run_loop()
    assert (backup().schedule["cron"], backup().status["running"]) == ("30 2 * * *", 0)
    assert 'value="30 2 * * *"' in page_text(browser_as, url)
    assert bob.post(url, {"runs": "fit", "fitMin": "1", "fitMax": "2"}, headers=HX).status_code == 204
    run_loop()
    assert (backup().schedule, backup().scale_policy["max"]) == ({}, 2)


def test_a_global_service_says_why_its_kind_is_not_changed_here(add: Any, browser_as: Any, at: Any) -> None:
    add(runs="global")
    url = at("service-policies", pk=backup().pk)
    assert "A label has it run on each host" in page_text(browser_as, url)
    assert browser_as("bob").post(url, {"runs": "number", "scale": "1"}, headers=HX).status_code == 422
