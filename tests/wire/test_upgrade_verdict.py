"""Upgrades that are judged, over the API: how they are to be, and what was found."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from apps.stacks.models import Service
from apps.stacks.verdict.observer import judge_upgrades
from tests.wire.api_client import ApiClient

Read = Callable[[], Any]


@pytest.fixture
def web(api: ApiClient, host: Host, sim: SimulatedDriver, run_loop: Callable[[], None]) -> Read:
    """A running service of two containers whose upgrades are judged; calls give it anew."""
    sim.local_images.add("bb:new")
    stack = api.post("environments", {"name": "shop"})
    body = {"name": "web", "environmentId": stack["id"], "scale": 2, "startOnCreate": True}
    body |= {"launchConfig": {"imageUuid": "docker:bb:local"}, "upgradeVerdict": {"minutes": 3, "onBad": "rollback"}}
    made = api.post("services", body)
    assert made.status == 201

    def read() -> Any:
        run_loop()
        return api.get(f"services/{made['id']}")

    return read


def upgrade(api: ApiClient, row: Any, **strategy: Any) -> Any:
    body = {"launchConfig": {"imageUuid": "docker:bb:new"}, "intervalMillis": 100, **strategy}
    return api.post(f"services/{row['id']}?action=upgrade", {"inServiceStrategy": body})


def test_a_judged_upgrade_shows_its_settings_and_what_was_found(api: ApiClient, web: Read) -> None:
    row = web()
    assert row["upgradeVerdict"] == {"minutes": 3, "onGood": "ask", "onBad": "rollback", "errorPattern": ""}
    assert upgrade(api, row).status == 202
    row = web()
    assert row["upgrade"]["inServiceStrategy"]["verdict"] == row["upgradeVerdict"]
    assert row["upgrade"]["judgement"]["verdict"] == "watching"
    judge_upgrades(timezone.now() + timedelta(seconds=5))
    found = web()["upgrade"]["judgement"]
    assert (found["stage"], found["outcome"]) == ("first-batch", None)
    assert 100 < found["secondsLeft"] <= 190
    running = next(each for each in found["findings"] if each["signal"] == "running")
    assert running["finding"] == "not-worse"
    restarts = next(each for each in found["findings"] if each["signal"] == "restarts")
    assert restarts["newCount"] == 0


def test_one_upgrade_may_go_unjudged(api: ApiClient, web: Read) -> None:
    assert upgrade(api, web(), verdict={"minutes": 0}).status == 202
    row = web()
    assert (row["upgrade"]["inServiceStrategy"]["verdict"], row["upgrade"]["judgement"]) == (None, None)


def test_the_services_settings_are_changed_and_cleared(api: ApiClient, web: Read) -> None:
    path = f"services/{web()['id']}"
    changed = api.put(path, {"upgradeVerdict": {"minutes": 60}})
    assert changed["upgradeVerdict"] == {"minutes": 60, "onGood": "ask", "onBad": "ask", "errorPattern": ""}
    assert api.put(path, {"scale": 1})["upgradeVerdict"]["minutes"] == 60, "what is not sent stays"
    assert api.put(path, {"upgradeVerdict": {"minutes": 0}})["upgradeVerdict"] is None


@pytest.mark.parametrize(
    ("sent", "field", "code"),
    [
        ({"minutes": 1441}, "upgradeVerdict.minutes", "MaxLimitExceeded"),
        ({"minutes": "5"}, "upgradeVerdict.minutes", "InvalidFormat"),
        ({"onBad": "explode"}, "upgradeVerdict.onBad", "InvalidOption"),
        ({"onVeryBad": "rollback"}, "upgradeVerdict.onVeryBad", "InvalidOption"),
        ([1], "upgradeVerdict", "InvalidFormat"),
        ("rollback", "upgradeVerdict", "InvalidFormat"),
    ],
)
def test_bad_settings_are_refused_with_their_field(api: ApiClient, web: Read, sent: Any, field: str, code: str) -> None:
    answer = api.put(f"services/{web()['id']}", {"upgradeVerdict": sent})
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, code, field)


def test_an_upgrade_that_is_held_goes_on_when_requested(api: ApiClient, web: Read) -> None:
    assert "continueupgrade" not in web()["actions"]
    upgrade(api, web())
    judge_upgrades(timezone.now() + timedelta(seconds=5))
    row = web()
    assert row["actions"]["continueupgrade"].endswith("?action=continueupgrade")
    assert api.post(f"services/{row['id']}?action=continueupgrade", {}).status == 202
    Service.all_objects.update(next_attempt_at=None)
    assert web()["upgrade"]["judgement"]["stage"] != "first-batch"
    again = api.post(f"services/{row['id']}?action=continueupgrade", {})
    assert (again.status, again["code"]) in {(409, "ActionNotAvailable"), (422, "ActionNotAvailable")}


def test_the_judgement_has_what_was_compared_over_time(api: ApiClient, web: Read) -> None:
    upgrade(api, web())
    for seconds in (60, 120, 180):
        judge_upgrades(timezone.now() + timedelta(seconds=seconds))
    found = web()["upgrade"]["judgement"]["history"]
    assert {"restarts", "memory"} <= {each["signal"] for each in found}
    assert all(set(each) == {"signal", "at", "oldValue", "newValue"} for each in found)
