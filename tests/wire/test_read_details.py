"""What v1 does with details of requests: links included by id, words in any case, the engine's id in a URL."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.models import Container
from tests.wire.api_client import ApiClient, run_until_idle


def test_links_are_included_in_one_row_as_in_a_list(api: ApiClient, stack: Any, host: Any):
    row = api.get(f"hosts/1h{host.pk}?include=INSTANCES&include=nowhere&include=stats").body
    assert [each["name"] for each in row["instances"]] == ["web_front_1", "web_front_2", "web_back_1"]
    assert "instances" not in row["links"]
    service = api.get(f"services/{stack['front']}?include=environment&include=consumedservices").body
    assert service["environment"]["id"] == stack["stack"]
    assert [each["id"] for each in service["consumedservices"]] == [stack["back"]]
    assert "stats" in row["links"]


def test_an_environment_read_as_an_account_includes_nothing_of_an_account(api: ApiClient, lab: Any):
    found = api.get(f"accounts/1a{lab.pk}?include=apikeys").body
    assert (found["type"], "apiKeys" in found) == ("project", False)


@pytest.mark.parametrize("word", ["false", "False", "FALSE"])
def test_an_administrator_lists_public_settings_in_any_letter_case(api_of: Any, word: str):
    root = api_of("root")
    assert len(root.get(f"settings?all={word}").ids) < len(root.get("settings").ids)


def test_the_url_of_a_containers_statistics_has_the_engines_id(api: ApiClient, host: Any):
    made = api.post("containers", {"imageUuid": "docker:sim/nginx:1", "name": "one"})
    assert api.get(f"containers/{made['id']}/containerstats")["url"].endswith("/v1/containerstats")
    run_until_idle()
    external = Container.all_objects.get(name="one").external_id
    assert external
    found = api.get(f"containers/{made['id']}/containerstats")
    assert found["url"] == f"ws://testserver/v1/containerstats/{external}"


@pytest.mark.parametrize("name", ["kubernetes", "mesos", "publicDns", "swarm", "virtualMachine"])
def test_an_environment_of_another_orchestration_is_refused_in_words(api_of: Any, name: str):
    alice = api_of("alice")
    refused = alice.post("projects", {"name": "other", name: True})
    assert (refused.status, refused["code"], refused["fieldName"]) == (422, "InvalidOption", name)
    made = alice.post("projects", {"name": "plain", name: False})
    assert (made.status, made[name]) == (201, False)
    run_until_idle()
    path = f"projects/{made['id']}"
    assert alice.put(path, {name: True})["fieldName"] == name
    assert alice.put(path, alice.get(path).body).status == 200
