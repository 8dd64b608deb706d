"""`ipAddress`: who has which address of the managed network, listed, filtered and found from both sides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.network.models import Address, HostNetwork
from tests.wire.api_client import ApiClient

CONFIG = {"imageUuid": "docker:bb:local"}


@pytest.fixture
def boxes(api: ApiClient, host: Host, run_loop: Callable[[], None]) -> list[Any]:
    """Two running containers with an address of the managed network each."""
    HostNetwork.objects.filter(pk=host.pk).update(state="active", reason="")
    made = [api.post("containers", {"name": name, **CONFIG}) for name in ("one", "two")]
    run_loop()
    return [api.get(f"containers/{each['id']}") for each in made]


def test_each_address_is_listed_with_who_has_it(api: ApiClient, lab: Environment, host: Host, boxes: list[Any]) -> None:
    found = api.get("ipaddresses")["data"]
    assert [(each["address"], each["instanceId"], each["name"], each["state"]) for each in found] == [
        (box["primaryIpAddress"], box["id"], box["name"], "active") for box in boxes
    ]
    first = found[0]
    assert (first["type"], first["role"], first["transitioning"]) == ("ipAddress", "primary", "no")
    assert (first["hostId"], first["accountId"]) == (wire_id("h", host.pk), wire_id("a", lab.pk))
    assert api.get(f"ipaddresses/{first['id']}")["address"] == first["address"]


def test_it_leads_to_its_container_host_and_network(api: ApiClient, host: Host, boxes: list[Any]) -> None:
    first = api.get("ipaddresses")["data"][0]
    assert api.get(first["links"]["instance"])["id"] == boxes[0]["id"]
    assert api.get(first["links"]["host"])["id"] == wire_id("h", host.pk)
    assert api.get(first["links"]["network"])["id"] == first["networkId"]


def test_a_container_leads_to_it(api: ApiClient, boxes: list[Any]) -> None:
    [shown] = api.get(boxes[1]["links"]["ipAddresses"])["data"]
    assert api.get(shown["links"]["self"])["address"] == shown["address"] == boxes[1]["primaryIpAddress"]
    assert (shown["instanceId"], api.get(shown["links"]["network"])["id"]) == (boxes[1]["id"], shown["networkId"])


def test_filters_find_it_by_address_container_host_and_state(api: ApiClient, host: Host, boxes: list[Any]) -> None:
    wanted = boxes[1]["primaryIpAddress"]
    for query in (f"address={wanted}", f"instanceId={boxes[1]['id']}", f"address_prefix={wanted}"):
        assert [each["address"] for each in api.get(f"ipaddresses?{query}")["data"]] == [wanted], query
    assert len(api.get(f"ipaddresses?hostId={wire_id('h', host.pk)}")["data"]) == 2
    Address.objects.filter(address=wanted).update(holder=None, retained_for="a/1/")
    [kept] = api.get("ipaddresses?state=inactive")["data"]
    assert (kept["address"], kept["instanceId"], kept["name"]) == (wanted, None, None)
    Address.objects.filter(address=wanted).update(retained_for="")
    assert len(api.get("ipaddresses")["data"]) == 1


def test_other_tenants_see_none(
    api_of: Any, foreign_environment: Environment, api: ApiClient, boxes: list[Any]
) -> None:
    theirs, mine = api_of("mallory").inside(foreign_environment), api.get("ipaddresses")["data"]
    assert theirs.get("ipaddresses")["data"] == []
    assert theirs.get(f"ipaddresses/{mine[0]['id']}").status == 404


def test_a_requested_address_in_use_names_who_has_it(api: ApiClient, boxes: list[Any]) -> None:
    taken = boxes[0]["primaryIpAddress"]
    refused = api.post("containers", {"name": "three", **CONFIG, "requestedIpAddress": taken})
    assert (refused.status, refused["fieldName"]) == (422, "requestedIpAddress")
    assert f"{taken} is in use by one." in refused["message"]
