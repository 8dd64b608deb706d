"""Upgrades that are judged, in the console: asked for with the form, seen on the service's page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.console.stacks.upgrade_verdict import verdict_card
from apps.containers.launch.config import LaunchConfig
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.services import service_create, service_update, stack_create
from apps.stacks.verdict.observation import UpgradeObservation
from apps.stacks.verdict.observer import judge_upgrades

FORM = {"image": "bb:new", "check": "none", "batchSize": "1", "interval": "0.1", "order": "start-first"}
JUDGED = {**FORM, "verdict": "on", "verdictMinutes": "5", "rollbackBad": "on", "errorPattern": ""}


@pytest.fixture
def web(
    lab: Environment, host: Host, sim: SimulatedDriver, actor_of: Any, run_loop: Callable[[], None]
) -> Callable[[], Service]:
    """A running service of two containers; calls give it anew, the loop done."""
    sim.local_images.add("bb:new")
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    row = service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, scale=2, start_on_create=True)

    def read() -> Service:
        run_loop()
        row.refresh_from_db()
        return row

    return read


def page_of(row: Service) -> str:
    return f"/env/{row.environment_id}/services/{row.pk}"


def test_a_judged_upgrade_shows_old_against_new_and_how_long_it_takes(web: Any, browser_as: Any) -> None:
    row, bob = web(), browser_as("bob")
    assert "Judge the upgrade" in bob.get(f"{page_of(row)}/upgrade").content.decode()
    assert bob.post(f"{page_of(row)}/upgrade", JUDGED).status_code in {200, 204, 302}
    row = web()
    assert row.upgrade["verdict"] == {"minutes": 5, "onGood": "ask", "onBad": "rollback", "errorPattern": ""}
    assert row.verdict_settings == {}, "for this one only"
    judge_upgrades(timezone.now() + timedelta(seconds=10))
    shown = bob.get(page_of(row)).content.decode()
    for text in ("Verdict on the upgrade", "Watching", "The first batch is watched", "Restarts", "left", "rolled back"):
        assert text in shown
    assert "no health check" in shown
    assert shown.count("Cancel upgrade") >= 2, "also in the card"


def test_a_bad_verdict_says_why(web: Any, browser_as: Any) -> None:
    row, bob = web(), browser_as("bob")
    bob.post(f"{page_of(row)}/upgrade", {**JUDGED, "rollbackBad": ""})
    row = web()
    evidence = {
        "findings": [
            {
                "signal": "restarts",
                "word": "worse",
                "old": 0,
                "new": 18.0,
                "counts": [0, 3],
                "p": 0.00012,
                "reason": "",
            },
            {"signal": "errors", "word": "not-worse", "old": 1, "new": 1, "counts": [1, 1], "p": 0.5, "reason": ""},
            {"signal": "cpu", "word": "worse", "old": 0.5, "new": 2.0, "counts": [9, 9], "p": 1e-6, "reason": ""},
            {
                "signal": "memory",
                "word": "unknown",
                "old": None,
                "new": 3e8,
                "counts": [0, 9],
                "p": None,
                "reason": "x",
            },
            {
                "signal": "responses",
                "word": "worse",
                "old": None,
                "new": None,
                "counts": [0, 0],
                "p": None,
                "reason": "",
            },
        ],
        "exits": ["exit code 3 (2 containers)"],
    }
    UpgradeObservation.objects.update(
        verdict="bad", outcome="stopped", evidence=evidence, ended=timezone.now(), away=130
    )
    shown = bob.get(page_of(row)).content.decode()
    for text in ("18 an hour (3)", "once in 8333 upgrades", "common by chance", "hardly ever", "286.1 MB", "2.00", "–"):
        assert text in shown
    assert "exit code 3 (2 containers)" in shown
    assert "No more containers are replaced" in shown


def test_time_nobody_watched_is_said(web: Any, browser_as: Any) -> None:
    row = web()
    browser_as("bob").post(f"{page_of(row)}/upgrade", JUDGED)
    UpgradeObservation.objects.update(away=130)
    card = verdict_card(web())
    assert card is not None
    assert "Nobody watched for 2 minutes, which are added." in card.text


def test_the_form_begins_with_what_the_service_says_and_may_change_it(web: Any, browser_as: Any, actor_of: Any) -> None:
    row, bob = web(), browser_as("bob")
    kept = {"minutes": 42, "onGood": "finish", "errorPattern": "OOPS"}
    service_update(row, actor=actor_of("bob"), verdict_settings=kept)
    row = web()
    shown = bob.get(f"{page_of(row)}/upgrade").content.decode()
    assert 'value="42"' in shown
    assert 'value="OOPS"' in shown
    bob.post(f"{page_of(row)}/upgrade", {**FORM, "batchSize": "2", "keepVerdict": "on"})
    row = web()
    assert row.verdict_settings == {}, "no longer judged"
    assert row.display_state == "upgraded"
    assert verdict_card(row) is None
    assert "Verdict on the upgrade" not in bob.get(page_of(row)).content.decode()


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("verdictMinutes", "soon", "how many minutes"),
        ("verdictMinutes", "0", "how many minutes"),
        ("verdictMinutes", "1441", "at most 1440"),
        ("errorPattern", "(a+)+$", "repeats without an end"),
        ("errorPattern", "(ERROR", "not a regular expression"),
    ],
)
def test_what_the_form_refuses(web: Any, browser_as: Any, field: str, text: str, words: str) -> None:
    row = web()
    answer = browser_as("bob").post(f"{page_of(row)}/upgrade", {**JUDGED, field: text})
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert words in shown
    assert f'name="{field}"' in shown
    assert web().display_state == "active"


def test_a_held_upgrade_goes_on_with_a_button_and_its_charts_have_tables(web: Any, browser_as: Any) -> None:
    row, bob = web(), browser_as("bob")
    bob.post(f"{page_of(row)}/upgrade", JUDGED)
    row = web()
    for seconds in (60, 120, 180):
        judge_upgrades(timezone.now() + timedelta(seconds=seconds))
    shown = bob.get(page_of(row)).content.decode()
    assert "Continue now" in shown
    assert "Restarts as a table" in shown
    assert 'role="img"' in shown
    browser_as("rita").post(f"{page_of(row)}/continue-upgrade")
    assert UpgradeObservation.objects.get().stage == "first-batch", "she may only look"
    bob.post(f"{page_of(row)}/continue-upgrade")
    assert web().display_state in {"upgrading", "upgraded"}
    assert UpgradeObservation.objects.get().stage != "first-batch"
    assert "Continue now" not in bob.get(page_of(row)).content.decode()
    answer = bob.post(f"{page_of(row)}/continue-upgrade", headers={"HX-Request": "true"})
    assert "No batch of web waits" in answer.content.decode() + str(answer.headers)
