"""Files in volumes are read by who may, through a container that never runs and does not stay."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from apps.containers.models import Container
from apps.containers.policy_services import policy_set
from apps.control.models import AuditEntry
from apps.core.errors import Forbidden, Invalid, NotFound, Problem
from apps.drivers.base import CreateRequest, EngineError, EngineEvent
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.workloads import workloads
from apps.volumes.files import services
from apps.volumes.files.reader import EXPIRES_LABEL, open_reader
from apps.volumes.files.services import open_download, read_folder
from apps.volumes.models import Volume


@pytest.fixture
def data(sim: SimulatedDriver, volume: Any) -> Volume:
    """A volume with two files, a folder and a link that leads out."""
    sim.create_volume("data", "local", {}, {})
    sim.write_file("data", "sub/a.txt", b"hello")
    sim.write_file("data", "b.txt", b"0123456789")
    sim.write_file("data", "out", "/etc")
    row: Volume = volume("data")
    return row


@pytest.fixture(autouse=True)
def nothing_stays(sim: SimulatedDriver) -> Any:
    """Whatever a test did, no container of a reading is left, and no turn is kept."""
    yield
    assert sim.snapshots() == [] or all(not each.name.startswith("corral-reader-") for each in sim.snapshots())
    assert services._readings.running.total() == 0


def test_a_folder_is_listed(data: Volume, actor_of: Any):
    found = read_folder(data, "/", actor=actor_of("bob"))
    assert [(e.name, e.kind, e.size) for e in found.listing.entries] == [
        ("sub", "folder", 5),
        ("b.txt", "file", 10),
        ("out", "link", 0),
    ]
    assert found.listing.is_complete
    assert found.file is None
    inner = read_folder(data, "sub", actor=actor_of("bob"))
    assert [e.name for e in inner.listing.entries] == ["a.txt"]
    assert inner.parts == ("sub",)


def test_a_file_is_described(data: Volume, actor_of: Any):
    found = read_folder(data, "sub/a.txt", actor=actor_of("bob"))
    assert found.file is not None
    assert (found.file.name, found.file.size) == ("a.txt", 5)


def test_nothing_of_the_reading_is_ever_started_or_adopted(
    data: Volume, actor_of: Any, sim: SimulatedDriver, list_now: Any
):
    reader = open_reader(data, 60.0)
    (made,) = sim.containers()
    assert made.state == "created"
    assert [(mount.name, mount.writable) for mount in made.mounts] == [("data", False)]
    assert sim.calls["start"] == 0
    list_now()
    assert not Container.all_objects.exists()
    reader.close()
    assert sim.containers() == []


def test_the_event_of_a_reading_makes_nobody_look(data: Volume, host: Host, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []
    monkeypatch.setattr("apps.containers.watch.enqueue", lambda *args: asked.append(args))
    attributes = {"name": "corral-reader-1", "io.corral.system": "volume-reader"}
    from apps.containers.watch import handle_event

    handle_event(host.pk, EngineEvent(0.0, "container", "create", "a" * 64, attributes))
    assert asked == []
    handle_event(host.pk, EngineEvent(0.0, "container", "create", "a" * 64, {**attributes, "name": "web"}))
    assert asked == [("host", host.pk)]


def test_a_file_is_downloaded_as_it_is(data: Volume, actor_of: Any):
    download = open_download(data, "b.txt", actor=actor_of("bob"))
    assert (download.name, download.size, download.kind) == ("b.txt", 10, "application/octet-stream")
    assert b"".join(download) == b"0123456789"


def test_a_folder_is_downloaded_as_an_archive(data: Volume, actor_of: Any):
    download = open_download(data, "", actor=actor_of("bob"))
    assert (download.name, download.size) == ("data.tar", None)
    with tarfile.open(fileobj=io.BytesIO(b"".join(download))) as tar:
        assert "corral-volume/sub/a.txt" in tar.getnames()


def test_a_download_that_is_left_in_the_middle_leaves_nothing(data: Volume, actor_of: Any):
    download = open_download(data, "", actor=actor_of("bob"))
    assert next(iter(download))
    download.close()
    download.close()


@pytest.mark.parametrize("path", ["../etc", "sub/../../etc", "a\0b"])
def test_a_path_out_of_the_volume_is_refused_before_anything_is_made(
    path: str, data: Volume, actor_of: Any, sim: SimulatedDriver
):
    made = sim.calls["create"]
    for read in (read_folder, open_download):
        with pytest.raises(Invalid) as refused:
            read(data, path, actor=actor_of("bob"))
        assert refused.value.field == "path"
    assert sim.calls["create"] == made


@pytest.mark.parametrize("path", ["out", "out/passwd"])
def test_a_link_is_not_followed(path: str, data: Volume, actor_of: Any):
    for read in (read_folder, open_download):
        with pytest.raises(Invalid, match="out is a link to /etc; links are not followed"):
            read(data, path, actor=actor_of("bob"))


@pytest.mark.parametrize("path", ["nothing", "sub/nothing", "b.txt/inside"])
def test_what_is_not_there_is_not_found(path: str, data: Volume, actor_of: Any):
    with pytest.raises(NotFound, match="There is no"):
        read_folder(data, path, actor=actor_of("bob"))


@pytest.mark.parametrize("who", ["rita", "mallory"])
def test_reading_takes_a_permission_of_its_own(who: str, data: Volume, actor_of: Any, sim: SimulatedDriver):
    made = sim.calls["create"]
    with pytest.raises(Forbidden):
        read_folder(data, "", actor=actor_of(who))
    with pytest.raises(Forbidden):
        open_download(data, "", actor=actor_of(who))
    assert sim.calls["create"] == made
    assert not AuditEntry.all_objects.filter(event__startswith="volume.browse").exists()


def test_each_reading_is_in_the_audit_log_with_its_path(data: Volume, actor_of: Any, people: Any):
    read_folder(data, "sub", actor=actor_of("rex"))
    open_download(data, "b.txt", actor=actor_of("rex")).close()
    entries = AuditEntry.all_objects.filter(target=data.pk, kind="volume").order_by("pk")
    assert [(e.event, e.account_id) for e in entries] == [
        ("volume.browse", people.rex.pk),
        ("volume.download", people.rex.pk),
    ]
    assert ["/sub" in str(entries[0].request), "/b.txt" in str(entries[1].request)] == [True, True]


def test_a_volume_that_is_a_folder_of_the_host_is_read_by_the_policy_only(
    sim: SimulatedDriver, volume: Any, lab: Environment, actor_of: Any
):
    policy_set(lab, {"bindFolders": ["/srv/open"]}, actor=actor_of("root"))
    sim.create_volume("evil", "local", {"type": "none", "o": "bind", "device": "/etc"}, {})
    row = volume("evil")
    with pytest.raises(Invalid, match="the host's /etc may not be mounted") as refused:
        read_folder(row, "", actor=actor_of("alice"))
    assert refused.value.code == "PolicyViolation"
    policy_set(lab, {"bindMounts": True}, actor=actor_of("root"))
    assert read_folder(row, "", actor=actor_of("alice")).listing.entries == ()


def test_a_volume_that_is_gone_is_not_made_anew(data: Volume, actor_of: Any, sim: SimulatedDriver):
    sim.remove_volume("data")
    with pytest.raises(NotFound, match="has no volume data any more"):
        read_folder(data, "", actor=actor_of("bob"))
    assert sim.find_volume("data") is None


def test_a_host_without_images_says_what_to_do(data: Volume, actor_of: Any, sim: SimulatedDriver):
    sim.local_images.clear()
    with pytest.raises(NotFound, match="pull any image to it"):
        read_folder(data, "", actor=actor_of("bob"))


def test_an_engine_that_fails_is_quoted(data: Volume, actor_of: Any, sim: SimulatedDriver):
    for call in ("create", "file_at", "archive"):
        sim.fail_next(call, EngineError("the disk is broken"))
        with pytest.raises(Problem, match="data could not be read on h1: the disk is broken") as refused:
            read_folder(data, "", actor=actor_of("bob"))
        assert refused.value.status == 502


def test_so_many_readings_at_once_and_no_more(data: Volume, actor_of: Any):
    opened = [open_download(data, "b.txt", actor=actor_of("bob")) for _ in range(services.MAX_OF_ONE)]
    with pytest.raises(Problem, match="Others are reading volumes") as refused:
        read_folder(data, "", actor=actor_of("bob"))
    assert (refused.value.status, refused.value.retry_after) == (429, 10)
    for each in opened:
        each.close()
    assert read_folder(data, "", actor=actor_of("bob")).listing.entries


def test_one_environment_leaves_turns_to_the_others(data: Volume, actor_of: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(services, "MAX_READINGS", 2)
    services._readings.begin(data.environment_id + 1)
    opened = open_download(data, "b.txt", actor=actor_of("bob"))
    with pytest.raises(Problem, match="Others are reading volumes"):
        open_download(data, "b.txt", actor=actor_of("bob"))
    opened.close()
    services._readings.end(data.environment_id + 1)


def leftover(sim: SimulatedDriver, name: str, expires: str, kind: str = "volume-reader") -> str:
    labels = {"io.corral.system": kind, EXPIRES_LABEL: expires}
    return sim.create(CreateRequest(name, {"Image": "bb:local", "Labels": labels}))


def test_what_a_portal_that_died_has_left_is_removed_when_its_time_is_over(sim: SimulatedDriver, host: Host):
    old = leftover(sim, "corral-reader-old", "1000")
    broken = leftover(sim, "corral-reader-broken", "soon")
    young = leftover(sim, "corral-reader-young", "99999999999")
    others = leftover(sim, "web", "1000")
    workloads.on_host_scanned(host, sim.containers())
    left = {each.id for each in sim.containers()}
    assert young in left
    assert others in left
    assert not {old, broken} & left
    sim.remove(young)


def test_a_reader_that_cannot_be_removed_is_left_to_a_scan(data: Volume, actor_of: Any, sim: SimulatedDriver):
    sim.fail_next("remove", EngineError("busy"))
    assert read_folder(data, "", actor=actor_of("bob")).listing.entries
    (left,) = sim.containers()
    sim.remove(left.id)
