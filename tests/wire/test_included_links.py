"""Every link that a schema calls includable, included in a list: also where its target is no usual type."""

from __future__ import annotations

from typing import Any

import pytest

from tests.wire.api_client import ApiClient


@pytest.mark.parametrize("name", ["root", "bob"])
def test_every_includable_link_can_be_included(name: str, api_of: Any, stack: Any, host: Any):
    api: ApiClient = api_of(name)
    included = 0
    for schema in api.get("schemas")["data"]:
        for link in schema["includeableLinks"] if "GET" in schema["collectionMethods"] else ():
            found = api.get(f"{schema['links']['collection']}?include={link}")
            assert found.status == 200, (schema["id"], link, found.body)
            included += sum(link in row for row in found["data"])
    assert included > 20


def test_the_network_of_each_environment_is_included(api: ApiClient, lab: Any):
    (row,) = [each for each in api.get("projects?include=network")["data"] if each["name"] == lab.name]
    assert (row["network"]["type"], row["network"]["accountId"]) == ("network", row["id"])
    assert api.get(f"networks/{row['network']['id']}")["subnet"] == row["network"]["subnet"]


def test_a_link_does_not_take_the_place_of_a_field(api: ApiClient, stack: Any):
    for schema in api.get("schemas")["data"]:
        assert not set(schema["includeableLinks"]) & {name.lower() for name in schema["resourceFields"]}, schema["id"]
    row = api.get("deployments?include=environment&include=service&include=project")["data"][0]
    assert (type(row["environment"]), type(row["service"]), row["project"]["type"]) == (str, str, "project")
