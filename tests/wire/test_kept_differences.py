"""What `docs/reference/behaviour.md` says: where answers differ from Rancher's v1 on purpose."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apps.control.reconcile import reconcile_until_idle
from tests.wire.api_client import ApiClient

CONFIG = {"imageUuid": "docker:bb:local"}


def test_a_container_without_a_name_is_given_one(api: ApiClient) -> None:
    assert re.fullmatch("c-[0-9a-f]{8}", api.post("containers", CONFIG)["name"])


def test_numbers_go_on_after_a_service_is_renamed(api: ApiClient, host: Any) -> None:
    stack = api.post("environments", {"name": "shop"})
    made = api.post(
        "services", {"name": "a--b", "environmentId": stack["id"], "launchConfig": CONFIG, "startOnCreate": True}
    )
    assert made.status == 201, made.body
    reconcile_until_idle()
    assert api.put(made["links"]["self"], {"name": "web", "scale": 2}).status == 200
    reconcile_until_idle()
    names = {each["name"] for each in api.get(made["links"]["instances"])["data"]}
    assert names == {"shop_a--b_1", "shop_web_2"}


def test_a_service_at_rest_says_what_keeps_it_from_its_work(api: ApiClient, host: Any) -> None:
    labels = {"io.rancher.scheduler.global": "true", "io.rancher.scheduler.affinity:host_label": "disk=ssd"}
    stack = api.post("environments", {"name": "shop"})
    config = {**CONFIG, "labels": labels}
    body = {"name": "web", "environmentId": stack["id"], "launchConfig": config, "startOnCreate": True}
    made = api.post("services", body)
    reconcile_until_idle()
    found = api.get(made["links"]["self"])
    assert (found["state"], found["transitioning"]) == ("active", "no")
    assert "the label disk=ssd is missing" in found["transitioningMessage"]


def test_administrators_list_find_and_sort_all_environments(api_of: Callable[[str], ApiClient], lab: Any) -> None:
    root = api_of("root")
    assert [each["name"] for each in root.get("projects?name=Lab&sort=name")["data"]] == [lab.name]


def test_the_portal_says_who_an_account_is(api_of: Callable[[str], ApiClient]) -> None:
    made = api_of("root").post("accounts", {"name": "x", "kind": "user", "uuid": "mine", "externalId": "e1"})
    assert made.status == 201
    assert (made["uuid"], made["externalId"]) != ("mine", "e1")
    assert made["externalIdType"] == "rancher_id"


def test_a_link_to_nothing_is_left_out(api: ApiClient) -> None:
    made = api.post("containers", {**CONFIG, "instanceLinks": {"db": None}})
    assert (made.status, made["instanceLinks"]) == (201, None), made.body


def test_a_wrong_field_of_the_launch_configuration_is_named_by_itself(api: ApiClient) -> None:
    stack = api.post("environments", {"name": "shop"})
    body = {"name": "web", "environmentId": stack["id"], "launchConfig": {"imageUuid": ""}}
    assert api.post("services", body)["fieldName"] == "imageUuid"
    sidekick = {**body, "launchConfig": CONFIG, "secondaryLaunchConfigs": [{"name": "side", "imageUuid": ""}]}
    assert "secondaryLaunchConfigs" in api.post("services", sidekick)["fieldName"]
