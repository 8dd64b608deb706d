"""`publicEndpoints`: where published ports are reached, of a service and of a host, with whose they are."""

from __future__ import annotations

from typing import Any

from apps.control.reconcile import reconcile_until_idle
from tests.wire.api_client import ApiClient

CONFIG = {"imageUuid": "docker:bb:local"}


def test_a_service_and_its_host_have_the_endpoint(api: ApiClient, host: Any) -> None:
    stack = api.post("environments", {"name": "shop"})
    made = api.post(
        "services",
        {
            "name": "web",
            "environmentId": stack["id"],
            "launchConfig": {**CONFIG, "ports": ["8080:80"]},
            "startOnCreate": True,
        },
    )
    alone = api.post("containers", {**CONFIG, "ports": ["192.0.2.9:8081:80"]})
    reconcile_until_idle()
    (container,) = api.get(made["links"]["instances"])["data"]
    (of_service,) = api.get(made["links"]["self"])["publicEndpoints"]
    of_host = api.get("hosts")["data"][0]["publicEndpoints"]
    assert (of_service["port"], of_service["serviceId"], of_service["instanceId"]) == (
        8080,
        made["id"],
        container["id"],
    )
    assert of_service in of_host
    (other,) = [each for each in of_host if each != of_service]
    assert (other["ipAddress"], other["port"], other["serviceId"]) == ("192.0.2.9", 8081, None)
    assert other["instanceId"] == alone["id"]
