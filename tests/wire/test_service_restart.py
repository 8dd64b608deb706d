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
