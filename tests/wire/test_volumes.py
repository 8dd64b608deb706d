"""`volume`, `mount` and `storagePool`: made, found from both sides, browsed, pruned and removed through the API."""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from apps.api.wire.resource import find_resource
from apps.containers.policy_services import policy_set
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_one
from apps.core.ids import wire_id
from apps.drivers.simulated.engine import SimulatedDriver, simulated_engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from apps.volumes.models import StoragePool, Volume
from tests.wire.api_client import LAB_ENGINE, ApiClient, http_client, run_until_idle

CONFIG = {"imageUuid": "docker:bb:local"}


@pytest.fixture
def sim(host: Host) -> SimulatedDriver:
    """The engine of the lab's host."""
    return simulated_engine(LAB_ENGINE.removeprefix("sim://"))


@pytest.fixture
def list_now(host: Host) -> Callable[[], None]:
    """Lists the volumes of all hosts now."""

    def run() -> None:
        for pool in StoragePool.all_objects.all():
            reconcile_one("storagePool", pool.pk)

    return run


@pytest.fixture
def make(api: ApiClient, run_loop: Callable[[], None], host: Host) -> Callable[..., Any]:
    """The owner makes a volume on the host."""

    def create(name: str = "data", **given: Any) -> Any:
        made = api.post("volumes", {"name": name, "driver": "local", "hostId": wire_id("h", host.pk), **given})
        run_loop()
        return api.get(f"volumes/{made['id']}")

    return create


@pytest.fixture
def box(api: ApiClient, make: Any, run_loop: Callable[[], None], list_now: Any, lab: Environment, actor_of: Any) -> Any:
    """A container that mounts the volume data and a folder of the host."""
    make()
    volumes = ["data:/d", "/srv:/host:ro"]
    policy_set(lab, {"bindMounts": True}, actor=actor_of("root"))
    made = api.post("containers", {"name": "box", **CONFIG, "dataVolumes": volumes})
    run_loop()
    list_now()
    return api.get(f"containers/{made['id']}")


def test_a_volume_is_made_and_shown_as_v1_does(make: Any, host: Host, lab: Environment, sim: SimulatedDriver):
    made = make(driverOpts={}, labels={"team": "blue"}, description="for the shop")
    assert (made["type"], made["state"], made["transitioning"]) == ("volume", "inactive", "no")
    assert (made["name"], made["driver"], made["externalId"]) == ("data", "local", "data")
    assert (made["hostId"], made["accountId"]) == (wire_id("h", host.pk), wire_id("a", lab.pk))
    assert made["uri"].startswith("file:///")
    assert made["isHostPath"] is False
    assert made["labels"]["team"] == "blue"
    assert made["description"] == "for the shop"
    assert made["scope"] == "environment"
    assert sim.find_volume("data") is not None


def test_without_a_host_it_is_made_on_each(
    api: ApiClient, host: Host, lab: Environment, run_loop: Callable[[], None], people: Any
):
    host_create(actor=None, environment=lab, url="sim://lab2", name="lab-2")
    run_loop()
    made = api.post("volumes", {"name": "data", "driver": "local"})
    assert made["type"] == "collection"
    assert len({each["hostId"] for each in made["data"]}) == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "data"}, "driver"),
        ({"driver": "local"}, "name"),
        ({"name": "a/b", "driver": "local"}, "name"),
        ({"name": "data", "driver": "local", "hostId": "1h999"}, "hostId"),
        ({"name": "data", "driver": "local", "driverOpts": "x"}, "driverOpts"),
        ({"name": "data", "driver": "local", "labels": {"io.corral.x": "1"}}, "labels"),
    ],
)
def test_bad_input_is_refused_at_its_field(api: ApiClient, host: Host, body: dict[str, Any], field: str):
    refused = api.post("volumes", body)
    assert (refused.status, refused["fieldName"]) == (422, field)
    assert api.get("volumes")["data"] == []


def test_options_are_shown_to_who_may_see_values(make: Any, sim: SimulatedDriver, api_of: Any, list_now: Any):
    sim.create_volume("share", "local", {"type": "cifs", "o": "password=hunter22"}, {})
    list_now()
    key = wire_id("v", Volume.all_objects.get(name="share").pk)
    assert api_of("bob").get(f"volumes/{key}")["driverOpts"]["o"] == "password=hunter22"
    assert set(api_of("rita").get(f"volumes/{key}")["driverOpts"].values()) == {"…"}


def test_what_was_sent_as_an_option_is_not_in_the_audit_log(api: ApiClient, host: Host, make: Any):
    api.post("volumes", {"name": "x1", "driver": "local", "driverOpts": {"o": "password=hunter22", "type": "cifs"}})
    entries = [json.dumps([each.request, each.response]) for each in AuditEntry.all_objects.all()]
    assert any("volume" in each for each in entries)
    assert "hunter22" not in "".join(entries)


def test_container_volume_mount_and_pool_lead_to_each_other(api: ApiClient, box: Any, host: Host):
    [volume] = api.get("volumes")["data"]
    assert (volume["state"], volume["users"]) == ("active", ["box"])
    [mount] = api.get(volume["links"]["mounts"])["data"]
    assert (mount["path"], mount["permissions"], mount["state"]) == ("/d", "rw", "active")
    assert (mount["instanceId"], mount["volumeId"]) == (box["id"], volume["id"])
    assert api.get(mount["links"]["instance"])["id"] == box["id"]
    assert api.get(f"mounts/{mount['id']}")["path"] == "/d"
    [pool] = api.get(f"hosts/{wire_id('h', host.pk)}/storagepools")["data"]
    assert (pool["driverName"], pool["volumeCount"], pool["unusedCount"]) == ("local", 1, 0)
    assert [each["id"] for each in api.get(pool["links"]["volumes"])["data"]] == [volume["id"]]
    assert api.get(volume["links"]["host"])["id"] == pool["hostId"]
    assert [each["id"] for each in api.get(f"hosts/{pool['hostId']}/volumes")["data"]] == [volume["id"]]


def test_a_container_shows_its_volumes_and_the_folders_of_its_host(api: ApiClient, box: Any):
    shown = {each["name"]: each for each in api.get(box["links"]["volumes"])["data"]}
    assert (shown["data"]["isHostPath"], shown["/srv"]["isHostPath"]) == (False, True)
    assert api.get(shown["data"]["links"]["self"])["id"] == shown["data"]["id"]
    mounts = {each["path"]: each for each in api.get(box["links"]["mounts"])["data"]}
    assert (mounts["/d"]["permissions"], mounts["/host"]["permissions"]) == ("rw", "ro")
    assert mounts["/d"]["volumeId"] == shown["data"]["id"]
    assert mounts["/host"]["volumeId"] == shown["/srv"]["id"]


def test_volumes_are_filtered_by_host_name_scope_and_state(
    api: ApiClient, box: Any, host: Host, sim: SimulatedDriver, list_now: Any
):
    sim.create_volume("spare", "local", {}, {})
    list_now()
    for query, names in (
        ("state=inactive", ["spare"]),
        ("scope=environment", ["data"]),
        ("name_prefix=da", ["data"]),
        (f"hostId={wire_id('h', host.pk)}", ["data", "spare"]),
        ("hostId=1h999", []),
    ):
        assert sorted(each["name"] for each in api.get(f"volumes?{query}")["data"]) == names, query


def test_one_in_use_is_not_deleted_and_says_by_whom(api: ApiClient, box: Any, sim: SimulatedDriver):
    [volume] = api.get("volumes")["data"]
    assert "remove" not in volume["actions"]
    refused = api.delete(f"volumes/{volume['id']}")
    assert refused.status == 405
    assert "box" in refused.text
    assert sim.find_volume("data") is not None


def test_one_that_nothing_uses_is_deleted(
    api: ApiClient, make: Any, sim: SimulatedDriver, run_loop: Callable[[], None]
):
    made = make()
    assert api.delete(f"volumes/{made['id']}")["state"] == "removing"
    run_loop()
    assert sim.find_volume("data") is None
    assert api.get(f"volumes/{made['id']}")["state"] == "removed"


def test_pruning_a_pool_takes_the_unnamed_or_all(
    api: ApiClient, box: Any, sim: SimulatedDriver, list_now: Any, run_loop: Callable[[], None]
):
    for name in ("spare", "ab" * 32):
        sim.create_volume(name, "local", {}, {})
        sim.write_file(name, "f", b"123")
    StoragePool.all_objects.update(measured_at=None)
    list_now()
    [pool] = api.get("storagepools")["data"]
    assert (pool["unusedCount"], pool["unusedBytes"]) == (2, 6)
    first = api.post(pool["actions"]["prune"], {})
    assert (first["type"], len(first["volumeIds"]), first["sizeBytes"]) == ("prunedVolumes", 1, 3)
    run_loop()
    assert {each.name for each in sim.volumes()} == {"data", "spare"}
    api.post(pool["actions"]["prune"], {"named": True})
    run_loop()
    assert {each.name for each in sim.volumes()} == {"data"}


@pytest.fixture
def filled(make: Any, sim: SimulatedDriver) -> str:
    """The URL of a volume with files in it, below /v1."""
    made = make()
    sim.write_file("data", "sub/a.txt", b"hello")
    sim.write_file("data", "b.txt", b"0123456789")
    sim.write_file("data", "out", "/etc")
    return f"volumes/{made['id']}"


def test_folders_are_listed(api: ApiClient, filled: str):
    found = api.get(f"{filled}/files")
    assert (found["type"], found["path"], found["complete"]) == ("volumeFolder", "/", True)
    assert [(each["name"], each["kind"], each["size"]) for each in found["entries"]] == [
        ("sub", "folder", 5),
        ("b.txt", "file", 10),
        ("out", "link", 0),
    ]
    assert [each["name"] for each in api.get(f"{filled}/files?path=/sub")["entries"]] == ["a.txt"]
    assert api.get(f"{filled}/files?path=b.txt")["entries"] == [{"name": "b.txt", "kind": "file", "size": 10}]


@pytest.mark.parametrize(
    ("path", "status"), [("../etc", 422), ("out/passwd", 422), ("nothing", 404), ("x" * 5000, 422), ("%00", 422)]
)
def test_paths_that_lead_out_or_nowhere_are_refused(api: ApiClient, filled: str, path: str, status: int):
    for link in ("files", "download"):
        assert api.get(f"{filled}/{link}?path={path}").status == status


def streamed(api: ApiClient, path: str) -> Any:
    """A response whose content is still on its way."""
    sent = {"Authorization": "Basic " + base64.b64encode(api.key.encode()).decode()}
    return http_client.get(f"/v1/{path}", headers=sent)


def test_files_and_folders_are_downloaded(api: ApiClient, filled: str, sim: SimulatedDriver):
    found = streamed(api, f"{filled}/download?path=b.txt")
    assert b"".join(found.streaming_content) == b"0123456789"
    assert found["Content-Disposition"] == 'attachment; filename="b.txt"'
    assert (found["Content-Length"], found["X-Content-Type-Options"]) == ("10", "nosniff")
    found = streamed(api, f"{filled}/download")
    with tarfile.open(fileobj=io.BytesIO(b"".join(found.streaming_content))) as tar:
        assert "corral-volume/sub/a.txt" in tar.getnames()
    assert sim.containers() == []


def test_a_download_that_is_broken_off_leaves_nothing_on_the_host(api: ApiClient, filled: str, sim: SimulatedDriver):
    found = streamed(api, f"{filled}/download")
    assert len(sim.containers()) == 1
    found.close()
    assert sim.containers() == []


def test_who_may_not_browse_sees_no_files(api_of: Any, filled: str, sim: SimulatedDriver):
    assert api_of("rita").get(filled)["name"] == "data"
    made = sim.calls["create"]
    for link in ("files", "download"):
        assert api_of("rita").get(f"{filled}/{link}").status == 404
        assert api_of("mallory").get(f"{filled}/{link}").status == 404
    assert sim.calls["create"] == made
    assert [each["name"] for each in api_of("rex").get(f"{filled}/files")["entries"]] == ["sub", "b.txt", "out"]


def test_the_types_are_in_the_schema_as_v1_has_them():
    prefixes = {}
    for name in ("volume", "mount", "storagePool"):
        resource = find_resource(name)
        assert resource is not None
        prefixes[name] = resource.id_prefix
    assert prefixes == {"volume": "v", "mount": "m", "storagePool": "sp"}


def test_the_loop_is_what_makes_it(api: ApiClient, host: Host, sim: SimulatedDriver):
    made = api.post("volumes", {"name": "later", "driver": "local", "hostId": wire_id("h", host.pk)})
    assert (made["state"], made["transitioning"]) == ("registering", "yes")
    run_until_idle()
    assert api.get(f"volumes/{made['id']}")["state"] == "inactive"
