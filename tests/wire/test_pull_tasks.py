"""`pullTask`: an image brought to all hosts of an environment before a container needs it there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.containers.models import Pull
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.drivers import registry
from apps.drivers.base import Endpoint
from apps.drivers.simulated import engine
from apps.environments.actor import actor_of_user
from apps.environments.models import Environment
from apps.environments.services import environment_create
from apps.hosts.models import Host
from apps.hosts.services import host_create
from tests.wire.api_client import ApiClient, run_until_idle

IMAGE = "sim/web:1"


@pytest.fixture
def second(lab: Environment, host: Host) -> Iterator[Host]:
    """A second host, with a label of its own."""
    row = host_create(actor=None, environment=lab, url="sim://lab2", name="h2", labels={"disk": "fast"})
    reconcile_until_idle()
    yield row
    registry.discard_driver(Endpoint("sim://lab2"))


@pytest.fixture
def api(key_of: Any, lab: Environment) -> ApiClient:
    caller: ApiClient = key_of().inside(lab)
    return caller


def pull(api: ApiClient, **more: Any) -> Any:
    return api.post("pulltasks", {"image": IMAGE, **more})


def test_an_image_is_pulled_to_every_host(api: ApiClient, host: Host, second: Host):
    made = pull(api, mode="all", labels={})
    assert (made.status, made["type"], made["image"], made["baseType"]) == (201, "pullTask", IMAGE, "genericObject")
    assert made["id"].startswith("1go")
    assert (made["transitioning"], made["transitioningMessage"]) == ("yes", "0 of 2 hosts done")
    assert set(made["status"].values()) == {"Pulling"}
    run_until_idle()
    done = api.get(f"pulltasks/{made['id']}")
    assert (done["state"], done["transitioning"]) == ("active", "no")
    assert done["status"] == {str(host): "Done", str(second): "Done"}
    assert engine.simulated_engine("lab2").find_image(IMAGE)
    assert [each["id"] for each in api.get("pulltasks")["data"]] == [made["id"]]
    assert AuditEntry.all_objects.filter(kind="pull", account__isnull=False).count() == 2


def test_it_is_pulled_anew_where_it_was_pulled_before(api: ApiClient, host: Host, second: Host):
    first = pull(api)
    run_until_idle()
    again = pull(api)
    assert (again["id"], again["transitioning"]) == (first["id"], "yes")
    assert pull(api).status == 201  # while it is on its way
    assert Pull.all_objects.filter(image=IMAGE).count() == 2


def test_only_hosts_that_the_labels_allow_are_meant(api: ApiClient, host: Host, second: Host):
    made = pull(api, labels={"io.rancher.scheduler.affinity:host_label": "disk=fast"})
    assert list(made["status"]) == [str(second)]
    refused = pull(api, labels={"io.rancher.scheduler.affinity:host_label": "disk=slow"})
    assert (refused.status, refused["fieldName"]) == (422, "image")


def test_cached_means_hosts_that_have_had_the_image(api: ApiClient, host: Host, second: Host):
    assert pull(api, mode="cached").status == 422
    pull(api, labels={"io.rancher.scheduler.affinity:host_label": "disk=fast"})
    run_until_idle()
    assert list(pull(api, mode="cached")["status"]) == [str(second)]


def test_why_a_host_does_not_have_it_is_in_the_status(api: ApiClient, host: Host):
    made = pull(api, image="no.such.registry/web:1")
    run_until_idle()
    done = api.get(f"pulltasks/{made['id']}")
    assert done["transitioning"] == "no"
    assert done["status"][str(host)] not in {"Done", "Pulling"}


@pytest.mark.parametrize("body", [{"image": "UPPER"}, {"image": ""}, {}, {"image": "a", "mode": "some"}])
def test_what_is_no_image_is_refused(api: ApiClient, host: Host, body: dict[str, Any]):
    refused = api.post("pulltasks", body)
    assert refused.status == 422
    assert refused["fieldName"] in {"image", "mode"}
    assert not Pull.all_objects.exists()


def test_others_see_nothing_of_it(api: ApiClient, host: Host, key_of: Any, people: Any):
    made = pull(api)
    theirs = environment_create(actor=actor_of_user(people.mallory, "api"), name="Theirs")
    reconcile_until_idle()
    other = key_of("mallory", theirs)
    assert other.get(f"pulltasks/{made['id']}").status == 404
    assert other.get("pulltasks")["data"] == []


def test_who_may_only_look_may_not_pull(api_of: Any, host: Host, lab: Environment):
    made = api_of("rita").inside(lab).post("pulltasks", {"image": IMAGE})
    assert made.status in {403, 405}
    assert not Pull.all_objects.exists()
