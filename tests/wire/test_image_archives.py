"""Images as archives over v1: downloaded by a link, sent by an action whose body is the file."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.models import AuditEntry
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from tests.wire.api_client import ApiClient

TAR = "application/x-tar"


@pytest.fixture
def archive(sim: SimulatedDriver, host: Host) -> bytes:
    sim.local_images.add("shop:1")
    found = b"".join(sim.save("shop:1"))
    sim.local_images.discard("shop:1")
    return found


@pytest.fixture
def row(api: ApiClient, host: Host) -> Any:
    return api.get("hosts")["data"][0]


def test_an_archive_is_sent_to_a_host(api: ApiClient, row: Any, archive: bytes, sim: SimulatedDriver):
    answer = api.call("POST", row["actions"]["importimage"], archive, **{"Content-Type": TAR})
    assert (answer.status, answer["type"], answer["images"]) == (200, "importedImages", ["shop:1"])
    assert answer["hostId"] == row["id"]
    assert sim.find_image("shop:1")
    entry = AuditEntry.all_objects.get(event="image.import")
    assert entry.request["images"] == ["shop:1"]


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        (TAR, b"no archive", 422, "InvalidFormat"),
        (TAR, b"", 422, "MissingRequired"),
        ("application/json", b"{}", 422, "InvalidFormat"),
        ("multipart/form-data; boundary=x", b"--x\r\n", 415, "Unsupported Media Type"),
    ],
)
def test_what_is_no_archive_is_refused(api: ApiClient, row: Any, kind: str, body: bytes, status: int, code: str):
    answer = api.call("POST", row["actions"]["importimage"], body, **{"Content-Type": kind})
    assert (answer.status, answer["code"]) == (status, code)


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_who_may_not_is_refused(
    api_of: Any, lab: Environment, row: Any, archive: bytes, sim: SimulatedDriver, who: str
):
    caller = api_of(who).inside(lab)
    assert "importimage" not in caller.get("hosts")["data"][0]["actions"]
    answer = caller.call("POST", row["links"]["self"] + "?action=importimage", archive, **{"Content-Type": TAR})
    assert answer.status in {403, 422}
    assert sim.find_image("shop:1") is None


def test_an_image_is_downloaded_by_its_link(api: ApiClient, api_of: Any, lab: Environment, host: Host):
    image = api.get("hostimages")["data"][0]
    answer = api.get(image["links"]["download"])
    assert (answer.status, answer.headers["Content-Type"]) == (200, TAR)
    assert "bb-local.tar" in answer.headers["Content-Disposition"]
    assert api_of("rita").inside(lab).get(image["links"]["self"] + "/download").status == 404
