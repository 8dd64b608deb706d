"""The images of a host in the console: listed with their size, copied to other hosts, removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Pull
from apps.control.reconcile import look, settle
from apps.drivers import simulated
from apps.drivers.simulated import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create

HX = {"HX-Request": "true"}
IMAGE = "shop:1"


@pytest.fixture
def two(lab: Environment, host: Host) -> Host:
    """A second host, which has the image."""
    simulated.engine("lab2").images_there.add(IMAGE)
    row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    settle()
    return row


def test_they_are_listed_with_their_size(enter: Any, at: Any, two: Host):
    page = enter("rita").get(at("host-images", pk=two.pk)).content.decode()
    assert IMAGE in page
    assert "bb:local" in page
    assert "3.8" in page
    assert 'name="to"' not in page, "who only reads is offered nothing"


def test_a_copy_is_asked_for_and_seen_on_both_ends(enter: Any, at: Any, two: Host, host: Host, sim: SimulatedDriver):
    bob = enter("bob")
    answer = bob.post(at("host-images-copy", pk=two.pk), {"image": IMAGE, "to": str(host.pk)}, headers=HX)
    assert answer.status_code == 204
    assert f"Copying {IMAGE} to h1." in answer["HX-Trigger"]
    Pull.all_objects.update(status={"percent": 40, "from": "h2"})
    for row in (host, two):
        assert "40 %" in bob.get(at("host-images", pk=row.pk)).content.decode()
    look("pull", Pull.all_objects.get().pk)
    assert sim.find_image(IMAGE)
    assert "40 %" not in bob.get(at("host-images", pk=two.pk)).content.decode()


def test_all_others_at_once(enter: Any, at: Any, two: Host, host: Host):
    enter("alice").post(at("host-images-copy", pk=two.pk), {"image": IMAGE, "to": "all"}, headers=HX)
    assert [row.host_id for row in Pull.all_objects.all()] == [host.pk]


@pytest.mark.parametrize("to", ["", "0", "999", "own"])
def test_a_copy_to_nowhere_is_refused(enter: Any, at: Any, two: Host, to: str):
    sent = {"image": IMAGE, "to": str(two.pk) if to == "own" else to}
    answer = enter("alice").post(at("host-images-copy", pk=two.pk), sent, headers=HX)
    assert answer.status_code == 422
    assert not Pull.all_objects.exists()


def test_an_image_is_removed(enter: Any, at: Any, two: Host):
    answer = enter("bob").post(at("host-images-remove", pk=two.pk), {"image": IMAGE}, headers=HX)
    assert answer.status_code == 204
    assert simulated.engine("lab2").find_image(IMAGE) is None
    again = enter("bob").post(at("host-images-remove", pk=two.pk), {"image": IMAGE}, headers=HX)
    assert again.status_code == 404


def test_a_silent_engine_is_said(enter: Any, at: Any, two: Host):
    simulated.engine("lab2").down = True
    answer = enter("rita").get(at("host-images", pk=two.pk))
    assert answer.status_code == 200
    assert b"cannot be asked just now" in answer.content


def test_an_empty_engine_says_what_comes(enter: Any, at: Any, two: Host):
    simulated.engine("lab2").images_there.clear()
    assert b"No images yet" in enter("rita").get(at("host-images", pk=two.pk)).content


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_who_may_not_manage_hosts_changes_nothing(enter: Callable[[str], Any], at: Any, two: Host, who: str):
    for name, sent in (("host-images-copy", {"image": IMAGE, "to": "all"}), ("host-images-remove", {"image": IMAGE})):
        assert enter(who).post(at(name, pk=two.pk), sent, headers=HX).status_code == 403
    assert simulated.engine("lab2").find_image(IMAGE)
    assert not Pull.all_objects.exists()


def test_a_strangers_host_is_not_there(enter: Any, at: Any, two: Host):
    for name in ("host-images", "host-images-copy", "host-images-remove"):
        assert enter("mallory").get(at(name, pk=two.pk)).status_code == 404
