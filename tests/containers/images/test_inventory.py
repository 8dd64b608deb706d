"""The inventory of images: kept by scans, renewed when something was heard, never asked for by a page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.containers.images import inventory
from apps.containers.launch.config import LaunchConfig
from apps.containers.models import HostImage, ImageInventory
from apps.containers.services import container_create
from apps.control.queue import clear_pending
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.models import UnscopedRead
from apps.drivers.base import EngineError, EngineEvent, EngineImage
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host

EVENT = EngineEvent(at=1.0, kind="image", action="pull", id="app:1")


def names() -> list[str]:
    return sorted(str(row) for row in HostImage.all_objects.all())


def age(seconds: float) -> None:
    ImageInventory.objects.update(taken_at=timezone.now() - timedelta(seconds=seconds))


def test_the_first_scan_lists_what_is_there(host: Host, sim: SimulatedDriver):
    (row,) = HostImage.objects.within([host.environment_id])
    assert (row.name, row.tag_list, row.user_count, row.is_dangling) == ("bb:local", ["bb:local"], 0, False)
    assert row.size > 1_000_000
    assert row.created is not None
    assert row.image_id.startswith(f"sha256:{row.short_id}")
    assert ImageInventory.objects.get().host_id == host.pk
    assert str(ImageInventory.objects.get()) == "images of h1"


def test_reading_without_an_environment_is_refused(host: Host):
    with pytest.raises(UnscopedRead):
        list(HostImage.objects.all())


def test_scans_ask_for_images_only_when_that_is_due(host: Host, sim: SimulatedDriver):
    sim.local_images.add("app:1")
    before = sim.calls["images"]
    reconcile_one("host", host.pk)
    assert sim.calls["images"] == before, "it was listed a moment ago"
    age(301)
    reconcile_one("host", host.pk)
    assert names() == ["app:1", "bb:local"]


def test_a_host_whose_engine_does_not_list_them_is_fit_all_the_same(
    host: Host, sim: SimulatedDriver, monkeypatch: pytest.MonkeyPatch
):
    def images(_self: SimulatedDriver) -> list[EngineImage]:
        raise EngineError("page not found")

    monkeypatch.setattr(SimulatedDriver, "images", images)
    age(301)
    reconcile_one("host", host.pk)
    host.refresh_from_db()
    assert (host.display_state, host.fault) == ("active", False)
    assert names() == ["bb:local"], "what is known stays"


def due(host: Host) -> float:
    """In how many seconds the host is scanned."""
    host.refresh_from_db()
    assert host.next_attempt_at is not None
    return (host.next_attempt_at - timezone.now()).total_seconds()


def test_an_event_has_the_host_scanned_in_a_moment(host: Host, sim: SimulatedDriver):
    sim.local_images.add("app:1")
    assert due(host) > 30
    inventory.handle_event(host.pk, EngineEvent(at=1.0, kind="network", action="create", id="x"))
    assert due(host) > 30
    for _ in range(3):
        inventory.handle_event(host.pk, EVENT)
    assert 1 < due(host) < 4
    reconcile_one("host", host.pk)
    assert names() == ["app:1", "bb:local"]
    assert not ImageInventory.objects.get().is_stale


def test_a_scan_that_is_due_earlier_is_not_put_off_and_one_under_way_not_disturbed(host: Host):
    now = timezone.now()
    Host.all_objects.filter(pk=host.pk).update(next_attempt_at=now)
    inventory.handle_event(host.pk, EVENT)
    assert due(host) <= 0
    Host.all_objects.filter(pk=host.pk).update(next_attempt_at=now + timedelta(seconds=80), lease="somebody")
    ImageInventory.objects.update(is_stale=False)
    inventory.handle_event(host.pk, EVENT)
    assert due(host) > 30
    assert ImageInventory.objects.get().is_stale, "the next scan lists them"


def test_a_scan_on_request_comes_at_once(host: Host, sim: SimulatedDriver):
    sim.local_images.add("app:1")
    inventory.request_scan([host])
    clear_pending("host", host.pk)
    reconcile_one("host", host.pk)
    assert names() == ["app:1", "bb:local"]


def test_rows_keep_their_numbers_while_tags_and_users_change(lab: Environment, host: Host, actor_of: Any, sim: Any):
    before = HostImage.all_objects.get().pk
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    container_create(actor=actor_of("alice"), environment=lab, config=config, name="web")
    reconcile_until_idle()
    sim.tag_image("bb:local", "bb:stable")
    inventory.take_inventory(host)
    row = HostImage.all_objects.get()
    assert (row.pk, row.tag_list, row.user_count, len(row.users)) == (before, ["bb:local", "bb:stable"], 1, 1)


def test_what_is_gone_is_gone_from_the_list_and_what_lost_its_name_has_none(host: Host, sim: SimulatedDriver):
    sim.local_images.add("app:1")
    sim.local_images.tag("bb:local", "app:1")
    inventory.take_inventory(host)
    nameless = HostImage.all_objects.get(tags="")
    assert nameless.is_dangling
    assert str(nameless) == nameless.short_id
    sim.local_images.clear()
    inventory.take_inventory(host)
    assert names() == []


def test_a_pulled_image_without_a_tag_is_called_by_its_digest(host: Host, monkeypatch: pytest.MonkeyPatch):
    digest = f"reg.test/app@sha256:{'0' * 64}"
    listing = [EngineImage("sha256:1", (), 5, 0, digests=(digest,))]
    monkeypatch.setattr(SimulatedDriver, "images", lambda _engine: listing)
    inventory.take_inventory(host)
    row = HostImage.all_objects.get()
    assert (row.name, row.digest_list, row.created) == ("reg.test/app", [digest], None)


@pytest.mark.parametrize("created", [-(10**18), 10**18, 2**63])
@pytest.mark.parametrize("size", [-1, 2**80])
def test_nonsense_of_an_engine_is_kept_out_of_the_database(
    host: Host, monkeypatch: pytest.MonkeyPatch, created: int, size: int
):
    listing = [EngineImage("sha256:" + "x" * 500, ("a\x00b\nc:1",), size, created)]
    monkeypatch.setattr(SimulatedDriver, "images", lambda _engine: listing)
    inventory.take_inventory(host)
    row = HostImage.all_objects.get()
    assert (row.created, len(row.image_id), len(row.tag_list)) == (None, 128, 1)
    assert 0 <= row.size < 2**63


def test_of_ever_so_many_images_the_biggest_are_listed(host: Host, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inventory, "MAX_IMAGES", 10)
    listing = [EngineImage(f"sha256:{n}", (f"app:{n}",), n, 1) for n in range(50)]
    monkeypatch.setattr(SimulatedDriver, "images", lambda _engine: listing)
    inventory.take_inventory(host)
    assert sorted(HostImage.all_objects.values_list("size", flat=True)) == list(range(40, 50))


def test_a_removed_host_takes_its_images_along(host: Host):
    Host.all_objects.filter(pk=host.pk).delete()
    assert not HostImage.all_objects.exists()
    assert not ImageInventory.objects.exists()


def test_noting_when_images_were_listed_is_one_statement(host: Host, sim: SimulatedDriver):
    with CaptureQueriesContext(connection) as made:
        inventory.take_inventory(host)
    assert len([query for query in made if "imageinventory" in query["sql"].lower()]) == 1
