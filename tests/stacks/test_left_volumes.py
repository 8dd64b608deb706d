"""Deleted stacks leave their named volumes behind: which, of whom, and how large is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.control.reconcile import reconcile_one
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.left_volumes import LeftVolumes, left_behind, left_by_stacks
from apps.stacks.models import Service, Stack
from apps.stacks.removal_preview import removal_preview
from apps.stacks.services import service_create, stack_create
from apps.stacks.stack_upgrade import stack_act
from apps.volumes.models import StoragePool, Volume


@pytest.fixture
def list_now(host: Host) -> Callable[[], None]:
    """Lists and measures the volumes of the lab's host now."""

    def run() -> None:
        reconcile_one("host", host.pk)
        StoragePool.all_objects.update(measured_at=None)
        for pool in StoragePool.all_objects.all():
            reconcile_one("storagePool", pool.pk)

    return run


@pytest.fixture
def shop(lab: Environment, host: Host, actor_of: Any, run_loop: Any, sim: SimulatedDriver, list_now: Any) -> Stack:
    """A stack with a volume of its own, one that it shares, and one without a name."""
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    volumes = ["shop_data:/data", "shared:/shared", "/cache"]
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "dataVolumes": volumes})
    service_create(actor=actor_of("bob"), stack=stack, name="web", config=config, scale=2, start_on_create=True)
    run_loop()
    sim.write_file("shop_data", "f", b"x" * 1000)
    list_now()
    return stack


def left() -> set[str]:
    return set(left_behind(Volume.all_objects.filter(removed=None)).values_list("name", flat=True))


def test_what_a_running_stack_uses_is_not_left_behind(shop: Stack):
    assert left() == set()
    row = Volume.all_objects.get(name="shop_data")
    assert (row.scope, row.stack_name, len(row.users)) == ("stack", "shop", 2)
    assert row.service_key == Service.all_objects.get(name="web").uuid
    assert Volume.all_objects.get(name="shared").scope == "engine"


def test_the_preview_says_which_volumes_stay_and_how_large_they_are(shop: Stack):
    found = {each.name: each for each in removal_preview(shop).volumes if each.is_kept}
    assert (found["shop_data"].size, found["shared"].size) == (1000, 0)
    assert [each for each in removal_preview(shop).volumes if not each.is_kept and each.size is None] == []


def test_a_volume_that_was_not_measured_has_no_size_in_the_preview(shop: Stack):
    Volume.all_objects.update(size=None)
    assert {each.size for each in removal_preview(shop).volumes} == {None}


@pytest.fixture
def deleted(shop: Stack, actor_of: Any, run_loop: Any, list_now: Any) -> Stack:
    """The same, deleted."""
    stack_act(shop, "remove", actor=actor_of("bob"))
    Stack.all_objects.filter(pk=shop.pk).update(undo_until=None)
    Service.all_objects.filter(stack=shop).update(undo_until=None)
    run_loop()
    list_now()
    shop.refresh_from_db()
    return shop


def test_what_a_deleted_stack_leaves_is_known_with_its_size(deleted: Stack):
    assert deleted.removed is not None
    assert left() == {"shop_data", "shared"}
    rows = Volume.all_objects.filter(removed=None)
    assert left_by_stacks(rows, [deleted.pk]) == {deleted.pk: LeftVolumes(2, 1000)}
    assert left_by_stacks(rows, []) == {}


def test_a_volume_that_another_stack_took_over_is_not_left_behind(
    deleted: Stack, lab: Environment, actor_of: Any, run_loop: Any, list_now: Any
):
    other = stack_create(actor=actor_of("bob"), environment=lab, name="other")
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "dataVolumes": ["shared:/s"]})
    service_create(actor=actor_of("bob"), stack=other, name="app", config=config, scale=1, start_on_create=True)
    run_loop()
    list_now()
    assert left() == {"shop_data"}
    assert Volume.all_objects.get(name="shared").stack_name == "other"


def test_what_no_stack_ever_had_is_not_left_behind(sim: SimulatedDriver, host: Host, list_now: Any):
    sim.create_volume("by-hand", "local", {}, {})
    list_now()
    assert left() == set()


def test_it_is_two_queries_whatever_the_number_of_stacks(deleted: Stack, django_assert_num_queries: Any):
    with django_assert_num_queries(2):
        left_by_stacks(Volume.all_objects.filter(removed=None), [deleted.pk, deleted.pk + 1, deleted.pk + 2])
