"""Restarting a service and its revisions over the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from tests.wire.api_client import ApiClient


@pytest.fixture
def web(api: ApiClient, host: Host, sim: SimulatedDriver, run_loop: Callable[[], None]) -> Any:
    """A running service of two containers; calls give it anew."""
    sim.local_images.add("bb:new")
    stack = api.post("environments", {"name": "shop"})
    launch = {"imageUuid": "docker:bb:local", "environment": {"A": "1"}}
    body = {"name": "web", "environmentId": stack["id"], "scale": 2, "startOnCreate": True, "launchConfig": launch}
    made = api.post("services", body)

    def read() -> Any:
        run_loop()
        return api.get(f"services/{made['id']}")

    return read


def test_restart_as_rancher_compose_does_it(api: ApiClient, web: Any) -> None:
    row = web()
    assert "restart" in row["actions"]
    strategy = {"rollingRestartStrategy": {"batchSize": 2, "intervalMillis": 100}}
    answer = api.post(f"services/{row['id']}?action=restart", strategy)
    assert (answer.status, answer["state"], answer["transitioning"]) == (202, "restarting", "yes")
    assert {"deactivate", "remove"} <= set(answer["actions"])
    assert "upgrade" not in answer["actions"]
    assert web()["state"] == "active"
    assert set(Container.all_objects.values_list("restart_mark", flat=True)) == {1}


@pytest.mark.parametrize("body", [None, {}, {"rollingRestartStrategy": None}, {"rollingRestartStrategy": {}}])
def test_without_a_strategy_one_at_a_time(api: ApiClient, web: Any, body: Any) -> None:
    row = web()
    assert api.post(f"services/{row['id']}?action=restart", body).status == 202
    web()
    assert sorted(Container.all_objects.values_list("restart_mark", flat=True)) == [0, 1]


@pytest.mark.parametrize(
    ("strategy", "code", "field"),
    [
        ({"batchSize": 0}, "MinLimitExceeded", "batchSize"),
        ({"intervalMillis": 99}, "MinLimitExceeded", "intervalMillis"),
        ({"batchSize": "many"}, "InvalidFormat", "batchSize"),
    ],
)
def test_a_bad_strategy_is_refused(api: ApiClient, web: Any, strategy: Any, code: str, field: str) -> None:
    row = web()
    answer = api.post(f"services/{row['id']}?action=restart", {"rollingRestartStrategy": strategy})
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, code, field)
    assert web()["state"] == "active"


def test_revisions_and_the_way_back(api: ApiClient, web: Any) -> None:
    row = web()
    launch = {"imageUuid": "docker:bb:new", "environment": {"A": "2"}}
    strategy = {"launchConfig": launch, "batchSize": 2, "intervalMillis": 100}
    api.post(f"services/{row['id']}?action=upgrade", {"inServiceStrategy": strategy})
    web()
    api.post(f"services/{row['id']}?action=finishupgrade")
    row = web()
    found = api.get(f"services/{row['id']}/revisions")["data"]
    assert [(each["number"], each["current"], each["via"]) for each in found] == [(2, True, "api"), (1, False, "api")]
    assert found[1]["launchConfig"]["imageUuid"] == "docker:bb:local"
    assert found[1]["imageId"].startswith("sha256:")
    body = {"revision": 1, "batchSize": 2, "intervalMillis": 100, "note": "new one is slow"}
    answer = api.post(f"services/{row['id']}?action=returntorevision", body)
    assert (answer.status, answer["state"]) == (202, "upgrading")
    row = web()
    assert (row["state"], row["launchConfig"]["environment"]) == ("upgraded", {"A": "1"})
    assert api.get(f"services/{row['id']}/revisions")["data"][0]["note"] == "new one is slow"


def test_a_return_is_previewed_and_nothing_is_upgraded(api: ApiClient, web: Any) -> None:
    row = web()
    launch = {"imageUuid": "docker:bb:new", "environment": {"A": "2"}}
    strategy = {"launchConfig": launch, "batchSize": 2, "intervalMillis": 100}
    api.post(f"services/{row['id']}?action=upgrade", {"inServiceStrategy": strategy})
    assert web()["state"] == "upgraded"
    api.post(f"services/{row['id']}?action=finishupgrade")
    web()
    url = f"services/{row['id']}?action=returntorevision"
    answer = api.post(url, {"revision": 1, "preview": True, "batchSize": 2})
    assert (answer.status, answer["type"], answer["problems"]) == (200, "stackUpgradePreview", [])
    (step,) = answer["services"]
    assert (step["name"], step["change"], step["containers"]) == ("web", "upgrade", ["shop_web_1", "shop_web_2"])
    assert {each["field"] for each in step["differences"]} == {"imageUuid", "environment"}
    assert (step["strategy"]["batchSize"], step["images"], step["starts"]) == (2, ["bb:local"], False)
    assert "'1'" not in str(step["differences"]), "values of variables are not in it"
    assert web()["state"] == "active", "nothing was upgraded"
    assert len(api.get(f"services/{row['id']}/revisions")["data"]) == 2
    same = api.post(url, {"revision": 2, "preview": True})
    assert [each["change"] for each in same["services"]] == ["unchanged"]
    missing = api.post(url, {"revision": 7, "preview": True})
    assert (missing.status, missing["fieldName"]) == (422, "revision")
    assert api.post(url, {"revision": 1, "preview": False}).status == 202


def test_a_revision_has_its_sidekicks_and_says_the_service_s_name_of_today(
    api: ApiClient, host: Host, run_loop: Callable[[], None]
) -> None:
    log = {"name": "log", "imageUuid": "docker:bb:local", "networkLaunchConfig": "web", "environment": {"A": "b"}}
    body = {
        "name": "web",
        "environmentId": api.post("environments", {"name": "shop"})["id"],
        "startOnCreate": True,
        "launchConfig": {"imageUuid": "docker:bb:local"},
        "secondaryLaunchConfigs": [log],
    }
    made = api.post("services", body)
    run_loop()
    changed = {"secondaryLaunchConfigs": [{**log, "memory": 64 << 20}], "batchSize": 1, "intervalMillis": 100}
    assert api.post(f"services/{made['id']}?action=upgrade", {"inServiceStrategy": changed}).status == 202
    run_loop()
    api.post(f"services/{made['id']}?action=finishupgrade")
    run_loop()
    api.put(f"services/{made['id']}", {"name": "front"})
    run_loop()
    second, first = api.get(f"services/{made['id']}/revisions")["data"]
    (old,), (new,) = first["secondaryLaunchConfigs"], second["secondaryLaunchConfigs"]
    assert (old["name"], old["networkLaunchConfig"], old["environment"]) == ("log", "front", {"A": "b"})
    assert (old.get("memory"), new["memory"]) == (None, 64 << 20)
    answer = api.post(f"services/{made['id']}?action=returntorevision", {"revision": 1})
    assert (answer.status, answer["state"]) == (202, "upgrading")
    assert answer["secondaryLaunchConfigs"][0].get("memory") is None
    refused = api.post(f"services/{made['id']}?action=returntorevision", {"revision": 1})
    assert refused.status in {409, 422}


def test_readers_see_no_values_of_a_revision_s_sidekicks(api: ApiClient, api_of: Any, lab: Any, host: Host) -> None:
    log = {"name": "log", "imageUuid": "docker:bb:local", "environment": {"PIN": "a-value"}}
    body = {
        "name": "web",
        "environmentId": api.post("environments", {"name": "shop"})["id"],
        "launchConfig": {"imageUuid": "docker:bb:local"},
        "secondaryLaunchConfigs": [log],
    }
    made = api.post("services", body)
    found = api_of("rita").inside(lab).get(f"services/{made['id']}/revisions")["data"]
    assert [each["name"] for each in found[0]["secondaryLaunchConfigs"]] == ["log"]
    assert "a-value" not in repr(found)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "MissingRequired"),
        ({"revision": 7}, "InvalidReference"),
        ({"revision": 1}, "InvalidOption"),
        ({"revision": "first"}, "InvalidFormat"),
    ],
)
def test_no_way_back(api: ApiClient, web: Any, body: Any, code: str) -> None:
    row = web()
    answer = api.post(f"services/{row['id']}?action=returntorevision", body)
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, code, "revision")


def test_readers_see_revisions_without_values(web: Any, api_of: Any, lab: Any) -> None:
    row = web()
    (found,) = api_of("rita").inside(lab).get(f"services/{row['id']}/revisions")["data"]
    assert found["launchConfig"]["environment"] != {"A": "1"}
