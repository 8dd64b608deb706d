"""The volumes that an engine has are rows: found, measured, followed in use and out of it, and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.containers.models import Container
from apps.control.models import Operation
from apps.drivers.base import EngineDown, EngineError, EngineEvent
from apps.drivers.simulated.engine import SimulatedDriver
from apps.hosts.models import Host
from apps.hosts.workloads import workloads
from apps.volumes import workload
from apps.volumes.models import StoragePool, Volume, VolumeMount
from apps.volumes.scope import scope_of

UNNAMED = "ab" * 32

Find = Callable[[str], Volume]


def test_what_is_on_the_engine_becomes_a_row(sim: SimulatedDriver, volume: Find, host: Host):
    sim.create_volume("data", "local", {"type": "tmpfs"}, {"team": "blue"})
    sim.write_file("data", "a/b.txt", b"12345")
    row = volume("data")
    assert (row.driver, row.options, row.labels) == ("local", {"type": "tmpfs"}, {"team": "blue"})
    assert (row.size, row.scope, row.state, row.display_state) == (5, "engine", "inactive", "inactive")
    assert row.host == host
    assert row.environment_id == host.environment_id
    assert row.made_at is not None
    assert row.unused_since is not None
    assert row.mountpoint.endswith("/data/_data")


def test_what_was_found_there_was_nobodys_request(sim: SimulatedDriver, volume: Find):
    sim.create_volume("data", "local", {}, {})
    volume("data")
    assert not Operation.all_objects.filter(kind__in=("volume", "storagePool")).exists()


def test_a_volume_is_in_use_as_long_as_a_container_has_it(
    sim: SimulatedDriver, volume: Find, mounting: Any, unmount: Any
):
    web = mounting("data:/d", "data:/again:ro")
    row = volume("data")
    assert (row.state, row.users, row.unused_since, row.container_name) == ("active", ["web"], None, "web")
    mounts = VolumeMount.objects.filter(volume=row).order_by("path")
    assert [(m.container_id, m.path, m.writable) for m in mounts] == [(web.pk, "/again", False), (web.pk, "/d", True)]
    unmount(web)
    row = volume("data")
    assert (row.state, row.users, row.container_name) == ("inactive", [], "web")
    assert row.unused_since is not None
    assert not VolumeMount.objects.filter(volume=row).exists()


def test_listing_again_changes_nothing(sim: SimulatedDriver, volume: Find, mounting: Any):
    mounting("data:/d")
    first, mount = volume("data"), VolumeMount.objects.get()
    second = volume("data")
    assert first.pk == second.pk
    assert VolumeMount.objects.get() == mount
    assert Volume.all_objects.count() == 1


def test_a_volume_that_was_removed_at_the_engine_is_forgotten(sim: SimulatedDriver, volume: Find, list_now: Any):
    sim.create_volume("data", "local", {}, {})
    volume("data")
    sim.remove_volume("data")
    list_now()
    assert not Volume.all_objects.exists()


def test_who_had_it_is_known_although_nobody_looked_meanwhile(
    sim: SimulatedDriver, volume: Find, mounting: Any, unmount: Any
):
    unmount(mounting("data:/d", name="brief"))
    assert volume("data").container_name == "brief"


@pytest.mark.parametrize(
    ("name", "labels", "stack", "scope"),
    [
        (UNNAMED, {}, "shop", "container"),
        ("named", {"com.docker.volume.anonymous": ""}, "", "container"),
        ("shop_data", {}, "shop", "stack"),
        ("shop_data", {}, "", "engine"),
        ("shopping", {}, "shop", "engine"),
        ("data", {"io.corral.volume": "x"}, "", "environment"),
        ("shop_data", {"io.corral.volume": "x"}, "shop", "stack"),
        ("data", {}, "", "engine"),
    ],
)
def test_the_scope_follows_from_name_labels_and_stack(name: str, labels: dict[str, str], stack: str, scope: str):
    assert scope_of(name, labels, stack) == scope


def test_an_unnamed_volume_belongs_to_its_container(sim: SimulatedDriver, mounting: Any, unmount: Any, list_now: Any):
    web = mounting("/cache")
    list_now()
    row = Volume.all_objects.get()
    assert (row.scope, row.users) == ("container", ["web"])
    assert len(row.short_name) < 20
    unmount(web)
    list_now()
    assert not Volume.all_objects.exists()


def test_sizes_are_measured_seldom(sim: SimulatedDriver, volume: Find, list_now: Any):
    sim.create_volume("data", "local", {}, {})
    volume("data")
    measured = sim.calls["volume_sizes"]
    sim.write_file("data", "more", b"123")
    assert volume("data").size == 0
    assert sim.calls["volume_sizes"] == measured
    StoragePool.all_objects.update(measured_at=timezone.now() - timedelta(minutes=20))
    assert volume("data").size == 3


def test_a_new_volume_is_measured_sooner(sim: SimulatedDriver, volume: Find):
    sim.create_volume("data", "local", {}, {})
    volume("data")
    sim.create_volume("more", "local", {}, {})
    assert volume("more").size is None
    StoragePool.all_objects.update(measured_at=timezone.now() - timedelta(minutes=3))
    assert volume("more").size == 0


def test_what_an_engine_cannot_measure_is_not_tried_again_and_again(
    sim: SimulatedDriver, volume: Find, list_now: Any, monkeypatch: pytest.MonkeyPatch
):
    sim.create_volume("remote", "local", {}, {})
    monkeypatch.setattr(SimulatedDriver, "volume_sizes", lambda self: self.calls.update(["volume_sizes"]) or {})
    row = volume("remote")
    StoragePool.all_objects.update(measured_at=timezone.now())
    assert row.size is None
    list_now()
    pool = StoragePool.all_objects.get()
    assert pool.next_attempt_at is not None
    assert pool.next_attempt_at > timezone.now() + timedelta(minutes=5)
    StoragePool.all_objects.update(measured_at=timezone.now() - timedelta(minutes=3))
    Volume.all_objects.update(created=timezone.now() - timedelta(minutes=4))
    before = sim.calls["volume_sizes"]
    list_now()
    assert sim.calls["volume_sizes"] == before


def test_a_volume_without_a_size_is_looked_at_again_soon(sim: SimulatedDriver, volume: Find):
    sim.create_volume("data", "local", {}, {})
    volume("data")
    sim.create_volume("more", "local", {}, {})
    assert volume("more").size is None
    pool = StoragePool.all_objects.get()
    assert pool.next_attempt_at is not None
    assert pool.next_attempt_at < timezone.now() + timedelta(minutes=3)


def test_an_engine_that_cannot_measure_is_still_listed(sim: SimulatedDriver, volume: Find):
    sim.create_volume("data", "local", {}, {})
    sim.fail_next("volume_sizes", EngineError("too many files"))
    assert volume("data").size is None
    assert "could not be measured: too many files" in StoragePool.all_objects.get().message


def test_an_engine_that_does_not_list_keeps_its_rows(sim: SimulatedDriver, volume: Find, list_now: Any):
    sim.create_volume("data", "local", {}, {})
    volume("data")
    sim.fail_next("volumes", EngineDown("a driver hangs"))
    list_now()
    pool = StoragePool.all_objects.get()
    assert "could not be listed: a driver hangs" in pool.message
    assert pool.next_attempt_at is not None
    assert Volume.all_objects.count() == 1


def test_a_host_that_is_away_is_not_asked(sim: SimulatedDriver, volume: Find, list_now: Any):
    sim.create_volume("data", "local", {}, {})
    volume("data")
    calls = sim.calls["volumes"]
    sim.down = True
    list_now()
    list_now()
    assert sim.calls["volumes"] == calls
    assert "does not answer" in StoragePool.all_objects.get().message
    assert Volume.all_objects.count() == 1


def test_the_pool_counts_what_is_in_it(sim: SimulatedDriver, volume: Find, mounting: Any):
    mounting("used:/d")
    sim.create_volume("spare", "local", {}, {})
    sim.write_file("spare", "f", b"1234")
    StoragePool.all_objects.update(measured_at=None)
    volume("spare")
    status = StoragePool.all_objects.get().status
    assert (status["volumes"], status["unused"], status["bytes"], status["unusedBytes"]) == (2, 1, 4, 4)


def test_an_event_brings_the_next_listing_forward(host: Host, list_now: Any, monkeypatch: pytest.MonkeyPatch):
    list_now()
    monkeypatch.setattr(workload, "_marked", {})
    late = StoragePool.all_objects.get().next_attempt_at
    assert late is not None
    listener = workload.VolumeWorkload()
    listener.on_engine_event(host.pk, EngineEvent(0.0, "volume", "mount", "data"))
    assert StoragePool.all_objects.get().next_attempt_at == late
    listener.on_engine_event(host.pk, EngineEvent(0.0, "volume", "create", "data"))
    soon = StoragePool.all_objects.get().next_attempt_at
    assert soon is not None
    assert soon < timezone.now() + timedelta(seconds=workload.AFTER_EVENT + 1)


def test_a_burst_of_events_is_one_occasion(
    host: Host, list_now: Any, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
):
    list_now()
    monkeypatch.setattr(workload, "_marked", {})
    listener = workload.VolumeWorkload()
    with django_assert_num_queries(1):
        for _ in range(100):
            listener.on_engine_event(host.pk, EngineEvent(0.0, "volume", "create", "data"))


def test_a_removed_host_takes_its_rows_along_and_no_volume(sim: SimulatedDriver, host: Host, volume: Find):
    sim.create_volume("data", "local", {}, {})
    volume("data")
    workloads.on_host_removed(host)
    assert not Volume.all_objects.exists()
    assert not StoragePool.all_objects.exists()
    assert sim.find_volume("data") is not None


def test_the_rows_of_a_removed_container_take_its_mounts_along(sim: SimulatedDriver, volume: Find, mounting: Any):
    mounting("data:/d")
    volume("data")
    Container.all_objects.all().delete()
    assert not VolumeMount.objects.exists()
