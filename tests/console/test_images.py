"""The images of a host in the console: list with sizes, copy to other hosts, removal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Pull
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.drivers.simulated import engine
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create

HX = {"HX-Request": "true"}
IMAGE = "shop:1"


@pytest.fixture
def two(lab: Environment, host: Host) -> Host:
    """A second host, which has the image."""
    engine.simulated_engine("lab2").local_images.add(IMAGE)
    row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    return row


def test_they_are_listed_with_their_size(browser_as: Any, at: Any, two: Host):
    page = browser_as("rita").get(at("host-images", pk=two.pk)).content.decode()
    assert IMAGE in page
    assert "bb:local" in page
    assert "3.8" in page
    assert 'name="to"' not in page, "who only reads is offered nothing"


def test_a_copy_is_asked_for_and_seen_on_both_ends(
    browser_as: Any, at: Any, two: Host, host: Host, sim: SimulatedDriver
):
    bob = browser_as("bob")
    answer = bob.post(at("host-images-copy", pk=two.pk), {"image": IMAGE, "to": str(host.pk)}, headers=HX)
    assert answer.status_code == 204
    assert f"Copying {IMAGE} to h1." in answer["HX-Trigger"]
    Pull.all_objects.update(status={"percent": 40, "from": "h2"})
    for row in (host, two):
        assert "40 %" in bob.get(at("host-images", pk=row.pk)).content.decode()
    reconcile_one("pull", Pull.all_objects.get().pk)
    assert sim.find_image(IMAGE)
    assert "40 %" not in bob.get(at("host-images", pk=two.pk)).content.decode()


def test_all_others_at_once(browser_as: Any, at: Any, two: Host, host: Host):
    browser_as("alice").post(at("host-images-copy", pk=two.pk), {"image": IMAGE, "to": "all"}, headers=HX)
    assert [row.host_id for row in Pull.all_objects.all()] == [host.pk]


@pytest.mark.parametrize("to", ["", "0", "999", "own"])
def test_a_copy_to_nowhere_is_refused(browser_as: Any, at: Any, two: Host, to: str):
    sent = {"image": IMAGE, "to": str(two.pk) if to == "own" else to}
    answer = browser_as("alice").post(at("host-images-copy", pk=two.pk), sent, headers=HX)
    assert answer.status_code == 422
    assert not Pull.all_objects.exists()


def test_an_image_is_removed(browser_as: Any, at: Any, two: Host):
    answer = browser_as("bob").post(at("host-images-remove", pk=two.pk), {"image": IMAGE}, headers=HX)
    assert answer.status_code == 204
    assert engine.simulated_engine("lab2").find_image(IMAGE) is None
    again = browser_as("bob").post(at("host-images-remove", pk=two.pk), {"image": IMAGE}, headers=HX)
    assert again.status_code == 404


def test_a_silent_engine_is_said(browser_as: Any, at: Any, two: Host):
    engine.simulated_engine("lab2").down = True
    answer = browser_as("rita").get(at("host-images", pk=two.pk))
    assert answer.status_code == 200
    assert b"The engine is not reachable" in answer.content


def test_an_empty_engine_says_what_comes(browser_as: Any, at: Any, two: Host):
    engine.simulated_engine("lab2").local_images.clear()
    assert b"No images yet" in browser_as("rita").get(at("host-images", pk=two.pk)).content


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_who_may_not_manage_hosts_changes_nothing(browser_as: Callable[[str], Any], at: Any, two: Host, who: str):
    for name, sent in (("host-images-copy", {"image": IMAGE, "to": "all"}), ("host-images-remove", {"image": IMAGE})):
        assert browser_as(who).post(at(name, pk=two.pk), sent, headers=HX).status_code == 403
    assert engine.simulated_engine("lab2").find_image(IMAGE)
    assert not Pull.all_objects.exists()


def test_a_foreign_host_is_not_found(browser_as: Any, at: Any, two: Host):
    for name in ("host-images", "host-images-copy", "host-images-remove"):
        assert browser_as("mallory").get(at(name, pk=two.pk)).status_code == 404
