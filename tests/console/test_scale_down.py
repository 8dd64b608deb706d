"""Scaling down: asked first where more hangs on the containers than themselves, done at once where nothing does."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_create
from apps.stacks.upgrade_services import service_upgrade
from apps.stacks.upgrade_strategy import UpgradeStrategy

HX = {"HX-Request": "true"}


@pytest.fixture
def store(shop: Stack, actor_of: Any, run_loop: Any) -> Service:
    """A running service of three containers with a volume."""
    config = LaunchConfig.from_wire({"imageUuid": "sim:sim/web:1", "dataVolumes": ["files:/srv"]})
    row = service_create(
        actor=actor_of("alice"), stack=shop, name="store", config=config, scale=3, start_on_create=True
    )
    run_loop()
    row.refresh_from_db()
    return row


def scale_of(row: Service) -> int:
    row.refresh_from_db()
    return row.scale


def test_it_is_asked_first_with_what_goes_and_what_stays(browser_as: Any, at: Any, store: Service):
    client, path = browser_as("bob"), at("service-scale", pk=store.pk)
    answer = client.post(path, {"by": "-1"}, headers=HX)
    asked = json.loads(answer["HX-Trigger"])["corral:dialog"]["url"]
    assert (answer.status_code, asked, scale_of(store)) == (204, f"{path}?scale=2", 3)
    dialog = client.get(asked).content.decode()
    assert "Scale store from 3 to 2?" in dialog
    assert "container shop_store_3" in dialog
    assert "volume files on" in dialog
    done = client.post(path, {"scale": "2", "seen": "3", "confirmed": "on"}, headers=HX)
    assert "undo" in json.loads(done["HX-Trigger"])["corral:toast"]
    assert scale_of(store) == 2


def test_without_scripts_the_question_is_a_page(browser_as: Any, at: Any, store: Service):
    path = at("service-scale", pk=store.pk)
    answer = browser_as("bob").post(path, {"scale": "0"})
    assert (answer.status_code, answer["Location"]) == (302, f"{path}?scale=0")


def test_more_or_a_stopped_service_is_not_asked_about(browser_as: Any, at: Any, store: Service, run_loop: Any):
    client, path = browser_as("bob"), at("service-scale", pk=store.pk)
    client.post(path, {"by": "1"}, headers=HX)
    assert scale_of(store) == 4
    run_loop()
    client.post(at("service-do", pk=store.pk, action="deactivate"), headers=HX)
    run_loop()
    client.post(path, {"scale": "1"}, headers=HX)
    assert scale_of(store) == 1


def test_who_may_not_scale_is_not_asked(browser_as: Any, at: Any, store: Service):
    path = at("service-scale", pk=store.pk)
    assert browser_as("rita").post(path, {"by": "-1"}, headers=HX).status_code == 403
    assert browser_as("rita").get(f"{path}?scale=1").status_code == 403
    assert browser_as("bob").get(f"{path}?scale=many").status_code == 422


def test_a_run_under_way_is_named_before_its_service_is_deleted(
    browser_as: Any, at: Any, shop: Stack, actor_of: Any, run_loop: Any
):
    row = service_create(
        actor=actor_of("alice"),
        stack=shop,
        name="nightly",
        config=LaunchConfig.from_wire({"imageUuid": "sim:sim/web:1"}),
        start_on_create=True,
        schedule={"cron": "0 3 * * *"},
    )
    run_loop()
    client = browser_as("bob")
    client.post(at("service-do", pk=row.pk, action="runnow"), headers=HX)
    run_loop()
    assert "a run of nightly" in client.get(at("service-remove", pk=row.pk)).content.decode()


def test_the_page_lists_what_an_upgrade_keeps(
    browser_as: Any, at: Any, store: Service, actor_of: Any, run_loop: Any, sim: Any
):
    sim.local_images.add("sim/web:2")
    config = LaunchConfig.from_wire({"imageUuid": "sim:sim/web:2", "dataVolumes": ["files:/srv"]})
    service_upgrade(store, actor=actor_of("bob"), config=config, strategy=UpgradeStrategy(3, 100))
    run_loop()
    page = browser_as("rita").get(at("service", pk=store.pk)).content.decode()
    assert "Old containers" in page
    assert page.count("sim/web:1") >= 3
