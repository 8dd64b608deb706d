"""What clients of v1 ask for before they do anything, and what they read of the answers."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import RegistrationToken

MOZILLA = "Mozilla/5.0 (X11; Linux x86_64)"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"HTTP_ACCEPT": "*/*"},
        {"HTTP_ACCEPT": "application/json"},
        {"HTTP_ACCEPT": "text/html, application/json"},
        {"HTTP_ACCEPT": "*/*", "HTTP_USER_AGENT": MOZILLA},
        {"HTTP_ACCEPT": "text/html", "HTTP_USER_AGENT": "Go 1.1 package http"},
    ],
)
def test_the_root_is_json_for_whoever_is_no_browser(headers: dict[str, str], client: Any, db: None):
    answer = client.get("/", **headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer["X-API-Schemas"].endswith("/v1/schemas")
    assert answer.json()["links"]["latest"].endswith("/v1")


def test_the_root_is_the_console_for_a_browser(client: Any, db: None):
    answer = client.get("/", HTTP_ACCEPT="text/html,*/*;q=0.8", HTTP_USER_AGENT=MOZILLA)
    assert "json" not in answer.get("Content-Type", "")


def test_the_first_list_of_registration_tokens_has_the_command(api_of: Any, lab: Environment):
    RegistrationToken.all_objects.filter(environment=lab).delete()
    (token,) = api_of("alice").inside(lab).get("registrationtokens")["data"]
    assert token["command"].endswith(token["registrationUrl"])
    assert token["image"] in token["command"]


@pytest.mark.parametrize("name", ["machine", "subscribe", "instance"])
def test_the_schema_has_the_types_that_clients_look_up(name: str, api_of: Any, lab: Environment):
    schema = api_of("bob").inside(lab).get(f"schemas/{name}")
    assert schema["links"]["collection"].endswith(f"/{name if name == 'subscribe' else name + 's'}")
    assert "GET" in schema["collectionMethods"]


def test_there_are_no_machines(api_of: Any, lab: Environment):
    assert api_of("bob").inside(lab).get("machines")["data"] == []


def test_instances_are_the_containers(api_of: Any, lab: Environment):
    api = api_of("bob").inside(lab)
    made = api.post("containers", {"imageUuid": "docker:a", "name": "one"})
    (row,) = api.get("instances?name=one")["data"]
    assert (row["id"], row["type"], row["actions"]) == (made["id"], "container", {})


def test_an_environment_is_found_among_the_accounts_by_its_name(api_of: Any, lab: Environment):
    api = api_of("alice")
    (found,) = api.get("accounts?name=Lab")["data"]
    assert (found["id"], found["type"]) == (wire_id("a", lab.pk), "project")
    assert api.get(f"accounts/{found['id']}")["type"] == "project"
    assert [each["type"] for each in api.get("accounts?kind=project")["data"]] == ["project"]
    for more in ("include=apikeys&include=effectiveaccess", "sort=name&order=desc", "limit=1"):
        assert api.get(f"accounts?kind=project&{more}").ids == [found["id"]]
    assert api_of("mallory").get("accounts?name=Lab")["data"] == []
    assert api_of("mallory").get(f"accounts/{found['id']}").status == 404


def test_a_scale_policy_that_is_refused_leaves_the_hash_beside_it_unsaved(
    api_of: Any, lab: Environment, stack: dict[str, str]
):
    api = api_of("bob").inside(lab)
    change = {"metadata": {"io.rancher.service.hash": "2"}, "scalePolicy": {"min": 3, "max": 2}}
    answer = api.put(f"services/{stack['front']}", change)
    assert (answer.status, answer["fieldName"]) == (422, "scalePolicy.max")
    assert not api.get(f"services/{stack['front']}")["metadata"]


def test_a_scale_policy_is_shown_and_changed(api_of: Any, lab: Environment, stack: dict[str, str]):
    api, path = api_of("bob").inside(lab), f"services/{stack['front']}"
    assert api.get(path)["scalePolicy"] is None
    assert api.put(path, {"scalePolicy": {"min": 2, "max": 5}}).status == 200
    shown = api.get(path)["scalePolicy"]
    assert {name: shown[name] for name in ("min", "max", "increment")} == {"min": 2, "max": 5, "increment": 1}
    assert api.put(path, {"description": "x"}).status == 200
    assert api.get(path)["scalePolicy"]["max"] == 5
    assert api.put(path, {"scalePolicy": None}).status == 200  # of this field null says that there is to be none
    assert api.get(path)["scalePolicy"] is None


def test_the_defaults_that_clients_send_are_harmless(api_of: Any, lab: Environment, stack: dict[str, str]):
    nothing: dict[str, Any] = {
        "retainIp": False,
        "selectorContainer": "",
        "vip": None,
        "assignServiceIpAddress": False,
        "selectorLink": "",
        "secondaryLaunchConfigs": [],
    }
    api = api_of("bob").inside(lab)
    config = {"imageUuid": "docker:a", "healthCheck": None, "logConfig": {"driver": "", "config": {}}, "build": {}}
    body = {"name": "x", "environmentId": stack["stack"], "launchConfig": config, **nothing}
    made = api.post("services", body)
    assert made.status == 201
    assert api.put(f"services/{made['id']}", {"scale": 2, **nothing}).status == 200


def test_a_launch_configuration_shows_what_was_given_and_the_switches(
    api_of: Any, lab: Environment, stack: dict[str, str]
):
    api = api_of("bob").inside(lab)
    config = {"imageUuid": "docker:a", "environment": {"A": "b"}, "memory": 8 << 20, "labels": {}, "dns": None}
    made = api.post("services", {"name": "x", "environmentId": stack["stack"], "launchConfig": config})
    assert made["launchConfig"] == {
        "type": "launchConfig",
        "imageUuid": "docker:a",
        "environment": {"A": "b"},
        "memory": 8 << 20,
        "networkMode": "managed",
        "privileged": False,
        "publishAllPorts": False,
        "readOnly": False,
        "startOnCreate": True,
        "stdinOpen": False,
        "tty": False,
    }
    hidden = api_of("rita").inside(lab).get(f"services/{made['id']}")["launchConfig"]
    assert hidden["environment"] is None


@pytest.mark.parametrize("device", ["/dev/a:/dev/b:ro", "/dev/a:/dev/b:rw", "/dev/a"])
def test_devices_are_written_as_v1_takes_them(device: str, api_of: Any, lab: Environment):
    answer = api_of("bob").inside(lab).post("containers", {"imageUuid": "docker:a", "devices": [device]})
    assert answer.status in {201, 422}
    assert answer.body.get("code") != "InvalidFormat"
