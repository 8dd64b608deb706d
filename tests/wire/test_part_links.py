"""The links of containers, hosts and environments to what v1 keeps in tables of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container
from apps.core.ids import wire_id
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.selectors import address_of
from tests.wire.api_client import ApiClient


@pytest.fixture
def box(api: ApiClient, host: Host, run_loop: Callable[[], None]) -> Any:
    """A running container with a port and two mounts."""
    made = api.post("containers", {"name": "box", "imageUuid": "docker:bb:local", "ports": ["18080:80/tcp"]})
    assert made.status == 201, made.body
    run_loop()
    row = Container.all_objects.get()
    # What a real engine reports; the simulated one has no volumes.
    row.status["mounts"] = [
        {"kind": "volume", "source": "/var/lib/v/data", "target": "/data", "writable": True, "name": "data"},
        {"kind": "bind", "source": "/srv/www", "target": "/www", "writable": False, "name": ""},
    ]
    row.save(update_fields=["status"])
    return api.get(f"containers/{made['id']}")


@pytest.mark.parametrize("plural", ["containers", "instances"])
def test_a_container_leads_to_its_parts(api: ApiClient, box: Any, plural: str) -> None:
    links = api.get(f"{plural}/{box['id']}")["links"]
    [port] = api.get(links["ports"])["data"]
    assert (port["publicPort"], port["privatePort"], port["protocol"]) == (18080, 80, "tcp")
    assert (port["type"], port["state"], port["instanceId"]) == ("port", "active", box["id"])
    volumes, mounts = (api.get(links[name])["data"] for name in ("volumes", "mounts"))
    assert [(each["name"], each["isHostPath"], each["uri"]) for each in volumes] == [
        ("data", False, "file:///var/lib/v/data"),
        ("/srv/www", True, "file:///srv/www"),
    ]
    assert [(each["path"], each["permissions"]) for each in mounts] == [("/data", "rw"), ("/www", "ro")]
    assert [each["volumeId"] for each in mounts] == [each["id"] for each in volumes]
    [address] = api.get(links["ipAddresses"])["data"]
    assert address["address"] == box["primaryIpAddress"]


def test_a_container_that_never_ran_has_empty_lists(api: ApiClient) -> None:
    made = api.post("containers", {"name": "box", "imageUuid": "docker:bb:local", "startOnCreate": False})
    for name in ("ports", "volumes", "mounts", "ipAddresses"):
        answer = api.get(made["links"][name])
        assert (answer.status, answer["type"], answer["data"]) == (200, "collection", [])


def test_a_host_leads_to_its_address_machine_and_storage(api: ApiClient, host: Host) -> None:
    found = api.get(f"hosts/{wire_id('h', host.pk)}")
    [address] = api.get(found["links"]["ipAddresses"])["data"]
    assert (address["type"], address["state"], address["address"]) == ("ipAddress", "active", address_of(host))
    machine = api.get(found["links"]["physicalHost"])
    assert (machine["type"], machine["id"], machine["actions"]) == ("physicalHost", found["physicalHostId"], {})
    assert api.get(machine["links"]["hosts"]).ids == [found["id"]]
    assert api.get(f"physicalhosts/{found['physicalHostId']}").status == 200
    [pool] = api.get(found["links"]["storagePools"])["data"]
    assert (pool["type"], pool["hostId"], pool["driverName"]) == ("storagePool", found["id"], "local")


def test_parts_of_foreign_rows_are_not_found(api_of: Any, foreign_environment: Environment, box: Any) -> None:
    theirs = api_of("mallory").inside(foreign_environment)
    for path in ("ports", "volumes", "mounts", "ipaddresses"):
        assert theirs.get(f"containers/{box['id']}/{path}").status == 404
    host = Container.all_objects.get().host_id or 0
    for path in (f"hosts/{wire_id('h', host)}/ipaddresses", f"physicalhosts/{wire_id('ph', host)}"):
        assert theirs.get(path).status == 404


def test_an_environment_leads_to_the_statistics_of_its_hosts(api_of: Any, lab: Environment) -> None:
    project = api_of("rita").get(f"projects/{wire_id('a', lab.pk)}")
    answer = api_of("rita").get(project["links"]["hostStats"])
    assert (answer.status, answer["type"]) == (200, "statsAccess")
    assert answer["url"].startswith("ws://")
    assert answer["url"].endswith("/v1/hoststats/project/")
    assert answer["token"]
    assert api_of("mallory").get(f"projects/{wire_id('a', lab.pk)}/hoststats").status == 404
