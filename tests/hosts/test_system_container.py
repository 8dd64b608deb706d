"""The system container of a host on an engine: made, replaced, kept apart from everybody's containers, removed."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from apps.containers.models import Container
from apps.control.reconcile import reconcile_one
from apps.core.errors import Forbidden, Invalid
from apps.drivers.base import CreateRequest, EngineConflict, EngineContainer, EngineRefused
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import TAKES_DOCUMENTS, Host
from apps.hosts.selectors import driver_of
from apps.hosts.services import host_create, host_update
from apps.hosts.system_container import keeper, on_engine
from apps.hosts.system_container.container import (
    NAME,
    PORTAL_LABEL,
    SPEC_LABEL,
    create_body,
    is_as_wanted,
    is_system_container,
    socket_path,
)
from apps.hosts.system_container.keeper import SystemContainers

VERSIONS = ["system-1"]
MACHINE = "x86_64"
KEY = "ssh-ed25519 AAAA"


def tag() -> str:
    return f"corral/agent:{VERSIONS[-1]}"


def archive(image: str) -> Iterator[bytes]:
    """A small one, in the form of the real one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in (("layer.tar", b""), ("manifest.json", _manifest(image))):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    yield out.getvalue()


def _manifest(image: str) -> bytes:
    return json.dumps([{"RepoTags": [image], "Layers": ["layer.tar"]}]).encode()


@pytest.fixture
def kept(host: Host, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Host:
    """A host that is to have a system container; nothing was done yet."""
    settings.SYSTEM_IMAGE_BUILDER = __name__
    Host.all_objects.filter(pk=host.pk).update(system_container=True)
    host.refresh_from_db()
    monkeypatch.setattr(on_engine, "_leave", lambda *_: None)
    return host


def body(**changes: str) -> dict[str, Any]:
    values = {"image": "corral/agent:1", "host": "h", "portal_key": KEY, "url": "tcp://10.0.0.5:2376", **changes}
    return create_body(**values)


def seen(sim: SimulatedDriver) -> list[EngineContainer]:
    return [each for each in sim.containers() if is_system_container(each)]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("tcp://10.0.0.5:2376", "/var/run/docker.sock"),
        ("ssh://ops@h", "/var/run/docker.sock"),
        ("ssh://ops@h/", "/var/run/docker.sock"),
        ("ssh://ops@h/run/user/7/docker.sock", "/run/user/7/docker.sock"),
        ("unix:///srv/docker.sock", "/srv/docker.sock"),
    ],
)
def test_the_engine_s_socket_is_where_its_address_says(url: str, path: str):
    folder, _, name = path.rpartition("/")
    assert socket_path(url) == path
    assert body(url=url)["HostConfig"]["Binds"] == [f"{folder}:/run/engine:ro"]
    assert f"DOCKER_SOCKET=/run/engine/{name}" in body(url=url)["Env"]


def test_it_has_no_more_rights_than_it_needs():
    config = body()["HostConfig"]
    assert config["CapDrop"] == ["ALL"]
    assert set(config["CapAdd"]) == {"NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE", "MKNOD"}
    assert not {"Privileged", "PidMode", "IpcMode"} & set(config)


@pytest.mark.parametrize("name", ["image", "host", "portal_key", "url"])
def test_it_is_another_one_when_anything_of_it_is(name: str):
    other = {"image": "corral/agent:2", "host": "i", "portal_key": "ssh-ed25519 BBBB", "url": "unix:///x/y.sock"}[name]
    container = EngineContainer(
        id="1", name=f"/{NAME}", image="", image_id="", state="running", labels=body()["Labels"]
    )
    assert is_as_wanted(container, body())
    assert not is_as_wanted(container, body(**{name: other}))
    assert not is_system_container(replace(container, name="web"))
    assert not is_system_container(replace(container, labels={}))


def test_it_is_made_started_and_left_alone(kept: Host, sim: SimulatedDriver):
    first = on_engine.ensure_container(kept)
    assert (first.name.lstrip("/"), first.state) == (NAME, "running")
    assert on_engine.ensure_container(kept).id == first.id
    sim.stop(first.id)
    assert on_engine.ensure_container(kept).state == "running"
    sim.remove(first.id)
    assert on_engine.ensure_container(kept).id != first.id


def test_an_image_that_has_its_name_already_is_not_trusted(
    kept: Host, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    sim.local_images.add(tag())  # a tenant may have had it pulled
    sent: list[str] = []
    load = sim.load

    def note(_self: SimulatedDriver, pieces: Iterable[bytes]) -> tuple[str, ...]:
        sent.extend(load(pieces))
        return tuple(sent)

    monkeypatch.setattr(type(sim), "load", note)
    on_engine.ensure_container(kept)
    assert sent == [tag()]


def test_an_older_version_is_replaced(kept: Host, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch):
    first = on_engine.ensure_container(kept)
    monkeypatch.setattr(f"{__name__}.VERSIONS", ["system-2"])
    second = on_engine.ensure_container(kept)
    assert (second.id != first.id, second.image) == (True, "corral/agent:system-2")
    assert [each.id for each in seen(sim)] == [second.id]


def test_it_takes_nobody_s_container_away(kept: Host, sim: SimulatedDriver):
    container = on_engine.ensure_container(kept)
    sim.remove(container.id)
    foreign = {**container.labels, PORTAL_LABEL: "another", SPEC_LABEL: "another"}
    for labels, message in ((foreign, "Another Corral portal"), ({}, "another container named")):
        key = sim.create(CreateRequest(NAME, {"Image": "sim/x:1", "Labels": labels}))
        with pytest.raises(EngineConflict, match=message):
            on_engine.ensure_container(kept)
        assert sim.inspect(key).labels == labels
        sim.remove(key)


def test_an_engine_of_another_architecture_is_refused(kept: Host, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(f"{__name__}.MACHINE", "aarch64")
    engine = driver_of(kept)
    assert engine.info().architecture == "x86_64"
    with pytest.raises(EngineRefused, match="install the agent there instead"):
        on_engine._send_image(engine, "corral/agent:1")


def test_nobody_sees_it_and_switched_off_it_goes(kept: Host, sim: SimulatedDriver):
    on_engine.ensure_container(kept)
    before = Container.all_objects.count()
    reconcile_one("host", kept.pk)
    assert (Container.all_objects.count(), len(seen(sim))) == (before, 1)
    Host.all_objects.filter(pk=kept.pk).update(system_container=False, system_report={"state": "active"})
    reconcile_one("host", kept.pk)
    kept.refresh_from_db()
    assert (Container.all_objects.count(), seen(sim), kept.system_report) == (before, [], {})


def test_a_host_that_leaves_takes_it_along(kept: Host, sim: SimulatedDriver):
    on_engine.ensure_container(kept)
    Host.all_objects.filter(pk=kept.pk).update(desired="removed", state="removing")
    reconcile_one("host", kept.pk)
    kept.refresh_from_db()
    assert (kept.state, seen(sim)) == ("removed", [])
    assert keeper._wanted_host(kept.pk) is None


def test_remote_hosts_get_one_unless_it_is_said_otherwise(lab: Environment):
    def has_one(url: str, **changes: Any) -> bool:
        tls = {"password": "x"} if url.startswith("ssh") else {}
        row = host_create(actor=None, environment=lab, url=url, tls=tls, probe=False, **changes)
        assert (row in Host.all_objects.filter(TAKES_DOCUMENTS)) is row.takes_documents is row.system_container
        return row.system_container

    assert has_one("tcp://10.0.0.5:2376")
    assert has_one("ssh://ops@h")
    assert not has_one("unix:///var/run/docker.sock")
    assert has_one("unix:///var/run/docker.sock", system_container=True)
    assert not has_one("tcp://10.0.0.5:2376", system_container=False)
    with pytest.raises(Invalid, match="that the portal itself reaches"):
        has_one("sim://x", system_container=True)


def test_who_may_switch_it_on_where(lab: Environment, actor_of: Any):
    row = host_create(actor=None, environment=lab, url="unix:///var/run/docker.sock", name="own", probe=False)
    Host.all_objects.filter(pk=row.pk).update(state="active")
    row.refresh_from_db()
    with pytest.raises(Forbidden, match="portal's own machine"):
        host_update(row, actor=actor_of("alice"), system_container=True)
    host_update(row, actor=actor_of("root"), system_container=True)
    row.refresh_from_db()
    assert row.system_container
    Host.all_objects.filter(pk=row.pk).update(url=f"agent://{row.uuid}", state="active")
    row.refresh_from_db()
    with pytest.raises(Invalid, match="has an agent") as refused:
        host_update(row, actor=actor_of("root"), system_container=True)
    assert refused.value.field == "systemContainer"
    with pytest.raises(Invalid, match="true or false"):
        host_update(row, actor=actor_of("root"), system_container="yes")


def test_reports_are_kept_while_it_is_wanted(kept: Host):
    keeper._report(kept.pk, keeper.FAILED, "no room")
    kept.refresh_from_db()
    assert kept.system_report == {"state": "failed", "message": "no room"}
    keeper._report(kept.pk, keeper.FAILED, keeper._LOST)
    kept.refresh_from_db()
    assert kept.system_report["state"] == "starting"
    Host.all_objects.filter(pk=kept.pk).update(system_container=False, system_report={})
    keeper._report(kept.pk, keeper.ACTIVE, "")
    kept.refresh_from_db()
    assert kept.system_report == {}


def test_without_system_containers_there_is_no_thread():
    containers = SystemContainers()
    containers.sync([])
    containers.stop()
    assert containers._loop is None
