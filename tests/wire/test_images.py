"""Images over the API: what hosts have, copies between hosts, removal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.control.reconcile import settle
from apps.core.ids import wire_id
from apps.drivers import registry, simulated
from apps.drivers.base import Endpoint
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from tests.wire.callers import Api, calm

IMAGE = "shop:1"


@pytest.fixture
def hosts(lab: Environment, host: Host) -> Iterator[tuple[str, str]]:
    """The ids of a host that has the image, and of one that has not."""
    simulated.engine("lab2").images_there.add(IMAGE)
    row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    settle()
    yield wire_id("h", row.pk), wire_id("h", host.pk)
    registry.forget(Endpoint("sim://lab2"))


@pytest.fixture
def api(key_of: Any, lab: Environment) -> Api:
    caller: Api = key_of().inside(lab)
    return caller


def test_an_image_is_copied_on_request(api: Api, hosts: tuple[str, str]):
    source, target = hosts
    answer = api.post("imagepulls", {"image": IMAGE, "sourceHostId": source, "hostIds": [target]})
    assert answer.status == 201
    made = answer["data"][0] if answer["type"] == "collection" else answer.body
    assert (made["type"], made["state"], made["transitioning"]) == ("imagePull", "pulling", "yes")
    assert (made["image"], made["sourceHostId"], made["hostId"]) == (IMAGE, source, target)
    calm()
    done = api.get(f"imagepulls/{made['id']}")
    assert (done["state"], done["progress"]) == ("pulled", 100)
    assert simulated.engine("lab").find_image(IMAGE)
    again = api.post(f"imagepulls/{made['id']}?action=again")
    assert (again.status, again["state"]) == (202, "pulling")


def test_a_host_lists_its_images(api: Api, hosts: tuple[str, str]):
    listed = api.get(f"hosts/{hosts[0]}/images")
    assert listed.status == 200
    assert [each["tags"] for each in listed["data"]] == [["bb:local"], [IMAGE]]
    assert {each["size"] for each in listed["data"]} == {4_000_000}
    assert {each["hostId"] for each in listed["data"]} == {hosts[0]}


def test_a_silent_host_lists_nothing_and_says_why(api: Api, hosts: tuple[str, str]):
    simulated.engine("lab2").down = True
    answer = api.get(f"hosts/{hosts[0]}/images")
    assert answer.status == 503
    assert answer["type"] == "error"
    assert answer["message"]


def test_an_image_is_removed(api: Api, hosts: tuple[str, str]):
    assert api.post(f"hosts/{hosts[0]}?action=removeimage", {"image": IMAGE}).status == 202
    assert simulated.engine("lab2").find_image(IMAGE) is None
    gone = api.post(f"hosts/{hosts[0]}?action=removeimage", {"image": IMAGE})
    assert (gone.status, "does not have shop:1" in gone["message"]) == (404, True)


def test_an_image_in_use_stays(api: Api, hosts: tuple[str, str]):
    assert api.post("containers", {"imageUuid": "docker:bb:local", "requestedHostId": hosts[1]}).status == 201
    calm()
    answer = api.post(f"hosts/{hosts[1]}?action=removeimage", {"image": "bb:local"})
    assert (answer.status, answer["code"]) == (409, "Conflict")


def test_what_is_wrong_is_named(api: Api, hosts: tuple[str, str]):
    source, target = hosts
    good = {"image": IMAGE, "sourceHostId": source, "hostIds": [target]}
    for change, field in (
        ({"image": ""}, "image"),
        ({"image": None}, "image"),
        ({"sourceHostId": "1h999"}, "sourceHostId"),
        ({"sourceHostId": None}, "sourceHostId"),
        ({"hostIds": ["1h999"]}, "hostIds"),
        ({"hostIds": []}, "hostIds"),
        ({"hostIds": [source]}, "hostIds"),
    ):
        answer = api.post("imagepulls", {**good, **change})
        assert (answer.status, answer.body.get("fieldName")) == (422, field), (change, answer.body)
    assert api.get("imagepulls").ids == []


def test_hosts_of_others_are_no_hosts(api: Api, hosts: tuple[str, str], far: Environment):
    theirs = Host(environment=far, name="far", url="sim://far", desired="active")
    theirs.save()
    foreign = wire_id("h", theirs.pk)
    for body in (
        {"image": IMAGE, "sourceHostId": hosts[0], "hostIds": [foreign]},
        {"image": IMAGE, "sourceHostId": foreign, "hostIds": [hosts[0]]},
    ):
        answer = api.post("imagepulls", body)
        assert (answer.status, answer["code"]) == (422, "InvalidReference")


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_who_does_not_manage_hosts_only_looks(api_of: Any, lab: Environment, hosts: tuple[str, str], who: str):
    caller = api_of(who).inside(lab)
    assert caller.get(f"hosts/{hosts[0]}/images").status == 200
    body = {"image": IMAGE, "sourceHostId": hosts[0], "hostIds": [hosts[1]]}
    assert caller.post("imagepulls", body).status in {403, 404, 405}
    assert caller.post(f"hosts/{hosts[0]}?action=removeimage", {"image": IMAGE}).status in {403, 404, 422}
    assert simulated.engine("lab2").find_image(IMAGE)
