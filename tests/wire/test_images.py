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


def test_an_unreachable_host_answers_503_with_the_reason(api: ApiClient, hosts: tuple[str, str]):
    engine.simulated_engine("lab2").down = True
    answer = api.get(f"hosts/{hosts[0]}/images")
    assert answer.status == 503
    assert answer["type"] == "error"
    assert answer["message"]


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
    assert caller.post(f"hosts/{hosts[0]}?action=removeimage", {"image": IMAGE}).status in {403, 404, 422}
    assert engine.simulated_engine("lab2").find_image(IMAGE)
