"""A client that discovers everything from the schemas deploys a stack and scales it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.api_client import ApiClient, run_until_idle
from tests.wire.discovery_client import ApiRefused, DiscoveryClient


@pytest.mark.parametrize("url", ["/v1", "/v1/schemas", "inside"])
def test_a_discovering_client_deploys_and_scales(api: ApiClient, lab: Any, host: Any, url: str):
    client = DiscoveryClient(api, f"/v1/projects/1a{lab.pk}" if url == "inside" else url)
    stack = client.create("environment", name="found")
    assert stack["transitioning"] == "yes"
    config = {"imageUuid": "docker:sim/x:1"}
    service = client.create("service", name="web", environmentId=stack["id"], launchConfig=config)
    run_until_idle()
    service = service.reload()
    assert service["state"] == "inactive"
    service.run_action("activate")
    run_until_idle()
    assert service.reload()["state"] == "active"
    assert service.change(scale=3)["state"] == "updating-active"
    run_until_idle()
    names = sorted(each["name"] for each in service.get_link("instances"))
    assert names == ["found_web_1", "found_web_2", "found_web_3"]
    assert service.get_link("environment")["id"] == stack["id"]
    stack.remove()
    run_until_idle()
    assert service.reload()["state"] == "removed"
    assert client.all("container", "?removed_null=1") == []


def test_a_discovering_client_of_a_reader_finds_no_way_to_write(api_of: Any, lab: Any, stack: Any):
    client = DiscoveryClient(api_of("rita"), f"/v1/projects/1a{lab.pk}")
    assert {kind for kind, each in client.types.items() if "POST" in each["collectionMethods"]} == set()
    service = client.all("service")[0]
    assert service["actions"] == {}
    with pytest.raises(ApiRefused) as refusal:
        service.change(scale=5)
    assert refusal.value.status == 405
