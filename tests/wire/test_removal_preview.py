"""The link `removalPreview`: what a deletion takes along, for whoever may see the row."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import Host


@pytest.fixture
def service(api: Any, host: Host, stack: Any) -> Any:
    """A service of the lab."""
    return api.get("services")["data"][0]


def test_a_service_says_what_goes_with_it(api: Any, service: Any):
    found = api.get(service["links"]["removalPreview"])
    assert (found.status, found["type"], found["resourceType"]) == (200, "removalPreview", "service")
    assert found["resourceId"] == service["id"]
    assert found["services"] == [{"name": service["name"], "containers": service["currentScale"]}]
    assert found["counts"]["containers"] == len(found["containers"]) == service["currentScale"]
    assert api.get(f"services/{service['id']}")["state"] == service["state"]


def test_a_smaller_scale_is_asked_by_its_number(api: Any, service: Any):
    link = service["links"]["removalPreview"]
    assert len(api.get(f"{link}?scale=0")["containers"]) == service["currentScale"]
    refused = api.get(f"{link}?scale=many")
    assert (refused.status, refused["fieldName"]) == (422, "scale")


def test_stacks_hosts_containers_and_environments_have_it_too(api: Any, service: Any, lab: Environment, host: Host):
    links = [
        api.get(f"environments/{service['environmentId']}")["links"]["removalPreview"],
        api.get(f"hosts/{wire_id('h', host.pk)}")["links"]["removalPreview"],
        api.get("containers")["data"][0]["links"]["removalPreview"],
        api.get(f"/v1/projects/{wire_id('a', lab.pk)}")["links"]["removalPreview"],
    ]
    types = [api.get(link)["resourceType"] for link in links]
    assert types == ["environment", "host", "container", "project"]
