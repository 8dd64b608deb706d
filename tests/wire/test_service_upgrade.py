"""Upgrading a service over the API, as clients of v1 do it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from apps.stacks.models import Service
from tests.wire.api_client import ApiClient


@pytest.fixture
def web(api: ApiClient, host: Host, sim: SimulatedDriver, run_loop: Callable[[], None]) -> Any:
    """A running service of two containers; calls give it anew."""
    sim.local_images.add("bb:new")
    stack = api.post("environments", {"name": "shop"})
    made = api.post(
        "services",
        {
            "name": "web",
            "environmentId": stack["id"],
            "scale": 2,
            "startOnCreate": True,
            "launchConfig": {"imageUuid": "docker:bb:local", "environment": {"A": "1"}},
        },
    )
    run_loop()

    def read(**due: Any) -> Any:
        Service.all_objects.update(next_attempt_at=None) if due else None
        run_loop()
        return api.get(f"services/{made['id']}")

    return read


def upgrade(api: ApiClient, row: Any, **strategy: Any) -> Any:
    body = {"launchConfig": {"imageUuid": "docker:bb:new"}, "batchSize": 2, "intervalMillis": 100, **strategy}
    return api.post(f"services/{row['id']}?action=upgrade", {"inServiceStrategy": body})


def test_a_note_is_kept_with_the_revision(api: ApiClient, web: Any) -> None:
    upgrade(api, web(), note="  for the new banner ")
    newest = api.get(f"services/{web()['id']}/revisions?sort=number&order=desc")["data"][0]
    assert newest["note"] == "for the new banner"
    refused = upgrade(api, web(), note="x" * 501)
    assert (refused.status, refused["code"]) == (422, "MaxLengthExceeded")


def test_upgrade_and_finish(api: ApiClient, web: Any) -> None:
    row = web()
    assert "upgrade" in row["actions"]
    assert row["upgrade"] is None
    answer = upgrade(api, row)
    assert (answer.status, answer["state"], answer["transitioning"]) == (202, "upgrading", "yes")
    assert answer["launchConfig"]["imageUuid"] == "docker:bb:new"
    row = web()
    assert row["state"] == "upgraded"
    assert row["transitioning"] == "no"
    assert {"finishupgrade", "rollback", "remove"} <= set(row["actions"])
    assert "upgrade" in row["actions"]  # another one replaces what is not decided
    assert not {"cancelupgrade", "deactivate"} & set(row["actions"])
    strategy = row["upgrade"]["inServiceStrategy"]
    assert strategy["previousLaunchConfig"]["imageUuid"] == "docker:bb:local"
    assert (strategy["batchSize"], strategy["intervalMillis"], strategy["startFirst"]) == (2, 100, False)
    assert api.post(f"services/{row['id']}?action=finishupgrade").status == 202
    row = web()
    assert (row["state"], row["upgrade"]) == ("active", None)
    images = {each["imageUuid"] for each in api.get(f"services/{row['id']}/instances")["data"]}
    assert images == {"docker:bb:new"}


def test_what_an_upgrade_keeps_is_listed_and_counts_nowhere(api: ApiClient, web: Any) -> None:
    row = web()
    old = {each["id"] for each in api.get(f"services/{row['id']}/instances")["data"]}
    upgrade(api, row)
    row = web()
    listed = api.get(f"services/{row['id']}/instances")["data"]
    assert sorted((each["imageUuid"], each["state"]) for each in listed) == [
        ("docker:bb:local", "stopped"), ("docker:bb:local", "stopped"),
        ("docker:bb:new", "running"), ("docker:bb:new", "running"),
    ]  # fmt: skip
    assert len({each["id"] for each in listed}) == 4, "each once"
    (included,) = api.get(f"services?include=instances&id={row['id']}")["data"]
    assert {each["id"] for each in included["instances"]} == {each["id"] for each in listed}
    for key in old:
        assert [each["id"] for each in api.get(f"containers/{key}/services")["data"]] == [row["id"]]
    assert (row["scale"], row["currentScale"], row["healthState"]) == (2, 2, "healthy")
    running = {each["id"] for each in listed} - old
    exposed = api.get(f"services/{row['id']}/serviceexposemaps")["data"]
    assert {each["instanceId"] for each in exposed} == running
    api.post(f"services/{row['id']}?action=finishupgrade")
    web()
    assert {each["id"] for each in api.get(f"services/{row['id']}/instances")["data"]} == running


def test_others_see_no_kept_containers(api: ApiClient, web: Any, api_of: Any) -> None:
    row = web()
    upgrade(api, row)
    web()
    assert api_of("mallory").get(f"services/{row['id']}/instances").status == 404


def test_upgrade_and_roll_back(api: ApiClient, web: Any) -> None:
    upgrade(api, web())
    row = web()
    assert api.post(f"services/{row['id']}?action=rollback")["state"] == "rolling-back"
    row = web()
    assert (row["state"], row["launchConfig"]["imageUuid"]) == ("active", "docker:bb:local")
    assert row["launchConfig"]["environment"] == {"A": "1"}


REFUSED = {
    "no strategy": ({}, "MissingRequired", "inServiceStrategy"),
    "nothing to upgrade": ({"inServiceStrategy": {"batchSize": 1}}, "InvalidOption", "inServiceStrategy.launchConfig"),
    "an unknown sidekick": (
        {"inServiceStrategy": {"secondaryLaunchConfigs": [{"name": "log", "imageUuid": "docker:bb"}]}},
        "InvalidOption",
        "inServiceStrategy.secondaryLaunchConfigs",
    ),
    "a handover to nobody": ({"toServiceStrategy": {}}, "MissingRequired", "toServiceStrategy.toServiceId"),
    "itself": ({"toServiceStrategy": {"toServiceId": "1s1"}}, "InvalidOption", "toServiceStrategy.toServiceId"),
    "a short interval": (
        {"inServiceStrategy": {"intervalMillis": 99, "launchConfig": {"imageUuid": "docker:bb"}}},
        "MinLimitExceeded",
        "intervalMillis",
    ),
    "a rule that nobody knows": (
        {
            "inServiceStrategy": {
                "launchConfig": {
                    "imageUuid": "docker:bb",
                    "labels": {"io.rancher.scheduler.affinity:host_lable": "a=b"},
                }
            }
        },
        "InvalidOption",
        "labels",
    ),
    "no image": ({"inServiceStrategy": {"launchConfig": {"tty": True}}}, "MissingRequired", "imageUuid"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_an_upgrade_refuses(api: ApiClient, web: Any, case: str) -> None:
    body, code, field = REFUSED[case]
    row = web()
    answer = api.post(f"services/{row['id']}?action=upgrade", body)
    assert (answer.status, answer["code"]) == (422, code)
    assert field in answer["fieldName"]
    assert web()["state"] == "active"


def test_new_containers_do_not_start_first_where_addresses_are_retained(api: ApiClient, web: Any) -> None:
    row = web()
    assert api.put(f"services/{row['id']}", {"retainIp": True})["retainIp"] is True
    answer = upgrade(api, web(), startFirst=True)
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, "InvalidOption", "startFirst")
    assert "stop the old ones first" in answer["message"]
    assert web()["state"] == "active"
    assert upgrade(api, web()).status == 202
