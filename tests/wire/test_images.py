"""Images over the API: what hosts have, copies between hosts, removal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.control.reconcile import reconcile_until_idle
from apps.core.ids import wire_id
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated import engine
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create
from tests.wire.api_client import ApiClient, run_until_idle

IMAGE = "shop:1"


@pytest.fixture
def hosts(lab: Environment, host: Host) -> Iterator[tuple[str, str]]:
    """The ids of a host that has the image, and of one without it."""
    engine.simulated_engine("lab2").local_images.add(IMAGE)
    row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2")
    reconcile_until_idle()
    yield wire_id("h", row.pk), wire_id("h", host.pk)
    registry.discard_driver(Endpoint("sim://lab2"))


@pytest.fixture
def api(key_of: Any, lab: Environment) -> ApiClient:
    caller: ApiClient = key_of().inside(lab)
    return caller


def test_an_image_is_copied_on_request(api: ApiClient, hosts: tuple[str, str]):
    source, target = hosts
    answer = api.post("imagepulls", {"image": IMAGE, "sourceHostId": source, "hostIds": [target]})
    assert answer.status == 201
    made = answer["data"][0] if answer["type"] == "collection" else answer.body
    assert (made["type"], made["state"], made["transitioning"]) == ("imagePull", "pulling", "yes")
    assert (made["image"], made["sourceHostId"], made["hostId"]) == (IMAGE, source, target)
    run_until_idle()
    done = api.get(f"imagepulls/{made['id']}")
    assert (done["state"], done["progress"]) == ("pulled", 100)
    assert engine.simulated_engine("lab").find_image(IMAGE)
    retried = api.post(f"imagepulls/{made['id']}?action=again")
    assert (retried.status, retried["state"]) == (202, "pulling")


def test_a_host_lists_its_images(api: ApiClient, hosts: tuple[str, str]):
    listed = api.get(f"hosts/{hosts[0]}/images")
    assert listed.status == 200
    assert [each["tags"] for each in listed["data"]] == [["bb:local"], [IMAGE]]
    assert {each["size"] for each in listed["data"]} == {4_000_000}
    assert {each["hostId"] for each in listed["data"]} == {hosts[0]}


def test_what_a_host_had_is_listed_while_it_is_away_and_its_details_say_why_not(api: ApiClient, hosts: tuple[str, str]):
    engine.simulated_engine("lab2").down = True
    listed = api.get(f"hosts/{hosts[0]}/images")
    assert (listed.status, len(listed["data"])) == (200, 2)
    details = api.get(f"hostimages/{listed.ids[0]}/details")
    assert (details.status, details["type"]) == (503, "error")
    assert "switched off" in details["message"]


def test_an_image_tells_its_history_and_gets_another_name(api: ApiClient, hosts: tuple[str, str]):
    (image,) = [each for each in api.get(f"hostimages?hostId={hosts[0]}")["data"] if each["tags"] == [IMAGE]]
    details = api.get(f"hostimages/{image['id']}/details")
    assert (details["os"], details["imageId"], details["tags"]) == ("linux", image["imageId"], [IMAGE])
    assert sum(step["size"] for step in details["history"]) == image["size"]
    named = api.post(f"hostimages/{image['id']}?action=tag", {"name": "shop:stable"})
    assert (named.status, named["tags"]) == (202, [IMAGE, "shop:stable"])
    refused = api.post(f"hostimages/{image['id']}?action=tag", {"name": "Shop"})
    assert (refused.status, refused["fieldName"]) == (422, "name")


def test_what_pruning_takes_is_shown_first_and_then_removed(api: ApiClient, hosts: tuple[str, str], lab: Environment):
    project = f"/v1/projects/1a{lab.pk}"
    shown = api.get(f"{project}/imageprune?rule=unused&hostId={hosts[0]}")
    assert [each["name"] for each in shown["images"]] == ["bb:local", IMAGE]
    assert (shown["size"], shown["used"], shown["needed"]) == (8_000_000, 0, 0)
    wanted = {"rule": "unused", "hostIds": [hosts[0]]}
    changed = api.post("imageremovals", {**wanted, "expected": "other"})
    assert (changed.status, changed["code"]) == (409, "Conflict")
    answer = api.post("imageremovals", {**wanted, "expected": shown["fingerprint"]})
    assert answer.status == 201
    made = answer["data"][0] if answer["type"] == "collection" else answer.body
    assert (made["state"], made["transitioning"], made["rule"]) == ("removing", "yes", "unused")
    run_until_idle()
    done = api.get(f"imageremovals/{made['id']}")
    assert (done["state"], done["progress"], done["freed"], done["keptImages"]) == ("finished", 100, 8_000_000, [])
    assert len(done["removedImages"]) == 2
    assert api.get(f"hosts/{hosts[0]}/images").ids == []


def test_chosen_images_are_removed_and_what_is_used_says_why_it_stays(api: ApiClient, hosts: tuple[str, str]):
    assert api.post("containers", {"imageUuid": "docker:bb:local", "requestedHostId": hosts[1]}).status == 201
    run_until_idle()
    (image,) = api.get(f"hostimages?hostId={hosts[1]}").ids
    answer = api.post("imageremovals", {"imageIds": [image]})
    made = answer["data"][0] if answer["type"] == "collection" else answer.body
    run_until_idle()
    done = api.get(f"imageremovals/{made['id']}")
    assert (done["state"], done["transitioning"]) == ("error", "error")
    assert "the running container" in done["keptImages"][0]["reason"]


def test_a_single_name_is_removed(api: ApiClient, hosts: tuple[str, str]):
    (image,) = [each for each in api.get(f"hostimages?hostId={hosts[0]}")["data"] if each["tags"] == [IMAGE]]
    api.post(f"hostimages/{image['id']}?action=tag", {"name": "shop:stable"})
    wrong = api.post("imageremovals", {"imageIds": [image["id"]], "imageName": "other:1"})
    assert (wrong.status, wrong["fieldName"]) == (422, "imageName")
    answer = api.post("imageremovals", {"imageIds": [image["id"]], "imageName": IMAGE})
    made = answer["data"][0] if answer["type"] == "collection" else answer.body
    run_until_idle()
    done = api.get(f"imageremovals/{made['id']}")
    assert (done["state"], done["removedNames"], done["removedImages"]) == ("finished", [IMAGE], [])
    assert done["untaggedImages"][0]["left"] == ["shop:stable"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({}, "images"),
        ({"imageIds": ["1hi999"]}, "imageIds"),
        ({"imageIds": [5]}, "imageIds"),
        ({"rule": "all"}, "rule"),
        ({"rule": "unused", "hostIds": ["1h999"]}, "hostIds"),
        ({"rule": "unused", "force": True}, "rule"),
        ({"rule": "unused", "imageName": "shop:1"}, "rule"),
        ({"rule": "unused", "olderThanDays": -1}, "olderThanDays"),
    ],
)
def test_a_wrong_removal_names_the_field(api: ApiClient, hosts: tuple[str, str], wrong: dict[str, Any], field: str):
    answer = api.post("imageremovals", wrong)
    assert (answer.status, answer.body.get("fieldName")) == (422, field)
    assert api.get("imageremovals").ids == []


@pytest.mark.parametrize(("name", "value"), [("rule", "all"), ("hostId", "1h999"), ("olderThanDays", "x")])
def test_a_wrong_preview_names_the_parameter(api: ApiClient, lab: Environment, name: str, value: str):
    answer = api.get(f"/v1/projects/1a{lab.pk}/imageprune?{name}={value}")
    assert (answer.status, answer["fieldName"]) == (422, name)


def test_an_image_is_removed(api: ApiClient, hosts: tuple[str, str]):
    assert api.post(f"hosts/{hosts[0]}?action=removeimage", {"image": IMAGE}).status == 202
    assert engine.simulated_engine("lab2").find_image(IMAGE) is None
    removed_response = api.post(f"hosts/{hosts[0]}?action=removeimage", {"image": IMAGE})
    assert (removed_response.status, "does not have shop:1" in removed_response["message"]) == (404, True)


def test_an_image_in_use_stays(api: ApiClient, hosts: tuple[str, str]):
    assert api.post("containers", {"imageUuid": "docker:bb:local", "requestedHostId": hosts[1]}).status == 201
    run_until_idle()
    answer = api.post(f"hosts/{hosts[1]}?action=removeimage", {"image": "bb:local"})
    assert (answer.status, answer["code"]) == (409, "Conflict")


def test_an_invalid_request_names_the_field(api: ApiClient, hosts: tuple[str, str]):
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


def test_hosts_of_other_environments_do_not_exist(
    api: ApiClient, hosts: tuple[str, str], foreign_environment: Environment
):
    theirs = Host(environment=foreign_environment, name="far", url="sim://far", desired="active")
    theirs.save()
    foreign = wire_id("h", theirs.pk)
    for body in (
        {"image": IMAGE, "sourceHostId": hosts[0], "hostIds": [foreign]},
        {"image": IMAGE, "sourceHostId": foreign, "hostIds": [hosts[0]]},
    ):
        answer = api.post("imagepulls", body)
        assert (answer.status, answer["code"]) == (422, "InvalidReference")


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_roles_without_hosts_may_only_read(api_of: Any, lab: Environment, hosts: tuple[str, str], who: str):
    caller = api_of(who).inside(lab)
    assert caller.get(f"hosts/{hosts[0]}/images").status == 200
    body = {"image": IMAGE, "sourceHostId": hosts[0], "hostIds": [hosts[1]]}
    assert caller.post("imagepulls", body).status in {403, 404, 405}
    image = caller.get(f"hosts/{hosts[0]}/images").ids[0]
    assert caller.post("imageremovals", {"imageIds": [image]}).status in {403, 404, 405}
    assert caller.post(f"hostimages/{image}?action=tag", {"name": "a:1"}).status in {403, 404, 422}
    assert caller.post(f"hosts/{hosts[0]}?action=removeimage", {"image": IMAGE}).status in {403, 404, 422}
    assert engine.simulated_engine("lab2").find_image(IMAGE)
