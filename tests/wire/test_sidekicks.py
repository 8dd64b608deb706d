"""Sidekicks over v1: sent with a service, shown with it, upgraded by name, and among its instances."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.environments.models import Environment
from apps.hosts.models import Host

IMAGE = "docker:bb:local"


@pytest.fixture
def service(api_of: Any, lab: Environment, host: Host, run_loop: Callable[[], None]) -> Any:
    api = api_of("bob").inside(lab)
    stack = api.post("environments", {"name": "shop"})
    answer = api.post(
        "services",
        {
            "name": "web",
            "environmentId": stack["id"],
            "launchConfig": {"imageUuid": IMAGE},
            "secondaryLaunchConfigs": [
                {"name": "log", "imageUuid": IMAGE, "networkLaunchConfig": "web", "environment": {"A": "b"}},
                {"name": "tail", "imageUuid": IMAGE, "dataVolumesFromLaunchConfigs": ["log"]},
            ],
            "startOnCreate": True,
        },
    )
    assert answer.status == 201
    run_loop()
    return answer


def test_sidekicks_come_back_as_they_were_sent(service: Any, api_of: Any, lab: Environment) -> None:
    log, tail = api_of("bob").inside(lab).get(f"services/{service['id']}")["secondaryLaunchConfigs"]
    assert (log["name"], log["networkMode"], log["networkLaunchConfig"]) == ("log", "container", "web")
    assert log["environment"] == {"A": "b"}
    assert tail["dataVolumesFromLaunchConfigs"] == ["log"]


def test_instances_are_all_members_of_the_units(service: Any, api_of: Any, lab: Environment) -> None:
    api = api_of("bob").inside(lab)
    instances = api.get(f"services/{service['id']}/instances")["data"]
    assert {each["name"] for each in instances} == {"shop_web_1", "shop_web_log_1", "shop_web_tail_1"}
    assert len({each["deploymentUnitUuid"] for each in instances}) == 1
    (listed,) = api.get("services?include=instances")["data"]
    assert len(listed["instances"]) == 3
    assert listed["currentScale"] == 1


def test_sidekicks_come_and_go_by_an_upgrade_that_names_them_all(
    service: Any, api_of: Any, lab: Environment, run_loop: Callable[[], None]
) -> None:
    api = api_of("bob").inside(lab)
    address = f"services/{service['id']}?action=upgrade"
    log, _tail = api.get(f"services/{service['id']}")["secondaryLaunchConfigs"]
    proxy = {"name": "proxy", "imageUuid": IMAGE, "networkLaunchConfig": "web"}
    sent = {"replaceSidekicks": True, "secondaryLaunchConfigs": [log, proxy]}
    refused = api.post(address, {"inServiceStrategy": {**sent, "replaceSidekicks": False}})
    assert (refused.status, refused["code"]) == (422, "InvalidOption")
    assert api.post(address, {"inServiceStrategy": sent}).status == 202
    run_loop()
    after = api.get(f"services/{service['id']}")
    assert [each["name"] for each in after["secondaryLaunchConfigs"]] == ["log", "proxy"]
    current = {"shop_web_1", "shop_web_log_1", "shop_web_proxy_1"}
    states = {each["name"]: each["state"] for each in api.get(f"services/{service['id']}/instances")["data"]}
    assert states == dict.fromkeys(current, "running") | {"shop_web_tail_1": "stopped"}, "kept for a rollback"
    assert api.post(f"services/{service['id']}?action=finishupgrade").status == 202
    run_loop()
    assert {each["name"] for each in api.get(f"services/{service['id']}/instances")["data"]} == current


def test_an_upgrade_to_the_same_sidekicks_is_refused(service: Any, api_of: Any, lab: Environment) -> None:
    api = api_of("bob").inside(lab)
    same = api.get(f"services/{service['id']}")["secondaryLaunchConfigs"]
    body = {"inServiceStrategy": {"replaceSidekicks": True, "secondaryLaunchConfigs": same}}
    refused = api.post(f"services/{service['id']}?action=upgrade", body)
    assert (refused.status, refused["code"]) == (422, "InvalidOption")
    assert "as it was" in refused["message"]


def test_a_sidekick_is_upgraded_by_its_name(
    service: Any, api_of: Any, lab: Environment, run_loop: Callable[[], None]
) -> None:
    api = api_of("bob").inside(lab)
    changed = {"name": "tail", "imageUuid": IMAGE, "environment": {"NEW": "1"}}
    body = {"inServiceStrategy": {"secondaryLaunchConfigs": [changed]}}
    answer = api.post(f"services/{service['id']}?action=upgrade", body)
    assert answer.status == 202
    strategy = answer["upgrade"]["inServiceStrategy"]
    assert [each.get("environment") for each in strategy["secondaryLaunchConfigs"]] == [{"A": "b"}, {"NEW": "1"}]
    assert strategy["previousSecondaryLaunchConfigs"][1]["dataVolumesFromLaunchConfigs"] == ["log"]
    run_loop()
    assert api.get(f"services/{service['id']}")["state"] == "upgraded"
