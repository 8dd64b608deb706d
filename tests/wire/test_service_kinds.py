"""`externalService`, `dnsService`, selectors and `serviceExposeMap`, as clients of v1 use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container
from apps.environments.models import Environment
from tests.wire.api_client import ApiClient, ApiResponse, run_until_idle

Idle = Callable[[], None]


@pytest.fixture
def api(api_of: Any, lab: Environment) -> ApiClient:
    """Bob's key, inside the environment."""
    found: ApiClient = api_of("bob").inside(lab)
    return found


@pytest.fixture
def idle(django_capture_on_commit_callbacks: Any) -> Idle:
    """Reconciles until nothing is to be done, what is queued on the way included."""

    def run() -> None:
        for _round in range(3):
            with django_capture_on_commit_callbacks(execute=True):
                run_until_idle()

    return run


@pytest.fixture
def add(api: ApiClient, stack: dict[str, str], idle: Idle) -> Any:
    """Adds a service of any type to the stack, and has it reconciled."""

    def make(word: str, name: str, **fields: Any) -> ApiResponse:
        made = api.post(word, {"name": name, "environmentId": stack["stack"], "startOnCreate": True, **fields})
        assert made.status == 201, made.body
        assert made["state"] == "registering"
        idle()
        return api.get(f"services/{made['id']}")

    return make


def _serve(image: str = "docker:bb:local", **labels: str) -> dict[str, Any]:
    return {"launchConfig": {"imageUuid": image, "labels": labels}}


def _members(api: ApiClient, service: ApiResponse) -> list[Any]:
    maps = api.get(f"serviceexposemaps?serviceId={service['id']}")["data"]
    return [each["ipAddress"] or each["hostname"] or each["instanceId"] for each in maps]


def test_an_external_service_shows_what_was_sent_and_has_no_containers(api: ApiClient, add: Any):
    check = {"port": 80, "interval": 2000, "requestLine": "GET / HTTP/1.0"}
    made = add("externalservices", "db", externalIpAddresses=["192.0.2.7", "192.0.2.8"], healthCheck=check)
    assert (made["type"], made["baseType"], made["kind"]) == ("externalService", "service", "externalService")
    assert (made["state"], made["healthState"], made["hostname"]) == ("active", "healthy", None)
    assert made["externalIpAddresses"] == ["192.0.2.7", "192.0.2.8"]
    assert check.items() <= made["healthCheck"].items()
    assert made["links"]["self"].endswith(f"/externalservices/{made['id']}")
    assert "scale" not in made.body
    assert _members(api, made) == ["192.0.2.7", "192.0.2.8"]
    assert not Container.all_objects.filter(name__contains="_db_").exists()


def test_the_services_list_has_every_kind_as_its_own_type(api: ApiClient, add: Any, stack: dict[str, str]):
    made = add("externalservices", "db", hostname="db.example.com")
    alias = add("dnsservices", "both", launchConfig={"labels": {"io.rancher.service.hash": "x"}})
    types = {each["id"]: each["type"] for each in api.get("services")["data"]}
    assert types | {made["id"]: "externalService", alias["id"]: "dnsService", stack["front"]: "service"} == types
    assert api.get("externalservices").ids == [made["id"]]
    assert api.get("dnsservices").ids == [alias["id"]] == api.get("services?kind=dnsService").ids
    assert api.get(f"dnsservices/{made['id']}").status == 404
    assert alias["launchConfig"]["labels"] == {"io.rancher.service.hash": "x"}


@pytest.mark.parametrize(
    ("fields", "name", "code"),
    [
        ({"externalIpAddresses": ["192.0.2.7"], "hostname": "a.example"}, "hostname", "InvalidOption"),
        ({}, "externalIpAddresses", "MissingRequired"),
        ({"externalIpAddresses": []}, "externalIpAddresses", "MissingRequired"),
        ({"externalIpAddresses": ["db.example.com"]}, "externalIpAddresses", "InvalidFormat"),
        ({"externalIpAddresses": ["192.0.2.300"]}, "externalIpAddresses", "InvalidFormat"),
        ({"externalIpAddresses": [f"10.0.0.{n}" for n in range(101)]}, "externalIpAddresses", "MaxLimitExceeded"),
        ({"hostname": "a b"}, "hostname", "InvalidFormat"),
        ({"hostname": "-a.example"}, "hostname", "InvalidFormat"),
        ({"hostname": "a..b"}, "hostname", "InvalidFormat"),
        ({"hostname": "192.0.2.7"}, "hostname", "InvalidFormat"),
        ({"hostname": "a." * 130}, "hostname", "InvalidFormat"),
        ({"hostname": "a.b", "healthCheck": {"interval": 5}}, "healthCheck.port", "MissingRequired"),
        ({"hostname": "a.b", "metadata": {"a": "x" * 1024 * 1024}}, "metadata", "MaxLimitExceeded"),
    ],
)
def test_an_external_service_that_leads_nowhere_is_refused(
    fields: dict[str, Any], name: str, code: str, api: ApiClient, stack: dict[str, str]
):
    answer = api.post("externalservices", {"name": "db", "environmentId": stack["stack"], **fields})
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, name, code)
    assert api.get("externalservices").ids == []


def test_an_external_service_can_lead_elsewhere(api: ApiClient, add: Any, idle: Idle):
    made = add("externalservices", "db", externalIpAddresses=["192.0.2.7"])
    url = f"externalservices/{made['id']}"
    assert api.put(url, {"hostname": "db.example.com"})["externalIpAddresses"] is None
    idle()
    assert _members(api, made) == ["db.example.com"]
    back = api.put(f"services/{made['id']}", {"externalIpAddresses": ["2001:DB8::7"]})
    assert (back["type"], back["hostname"], back["externalIpAddresses"]) == ("externalService", None, ["2001:db8::7"])
    assert api.put(url, {"externalIpAddresses": []})["code"] == "MissingRequired"
    assert api.put(url, {"description": "the old one", "hostname": ""})["externalIpAddresses"] == ["2001:db8::7"]


def test_its_life_is_that_of_a_service(api: ApiClient, add: Any, idle: Idle):
    made = add("externalservices", "db", hostname="db.example.com")
    url = f"services/{made['id']}"
    assert {"deactivate", "remove", "update"} <= made["actions"].keys()
    assert not {"upgrade", "restart", "addservicelink"} & made["actions"].keys()
    for action, meanwhile, after in (("deactivate", "deactivating", "inactive"), ("activate", "activating", "active")):
        assert api.post(f"{url}?action={action}", {})["state"] == meanwhile
        idle()
        assert api.get(url)["state"] == after
    assert api.delete(f"externalservices/{made['id']}")["state"] == "removing"
    idle()
    assert (api.get(url)["state"], _members(api, made)) == ("removed", [])


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("externalservices", {"hostname": "db.example.com"}),
        ("dnsservices", {}),
        ("services", {**_serve("docker:rancher/none"), "selectorContainer": "tier=db"}),
    ],
)
def test_what_is_done_to_containers_is_refused_where_there_are_none(
    word: str, fields: dict[str, Any], api: ApiClient, add: Any
):
    made = add(word, "db", **fields)
    assert "upgrade" not in made["actions"]
    upgrade = {"inServiceStrategy": {"launchConfig": {"imageUuid": "docker:b"}}}
    answer = api.post(f"services/{made['id']}?action=upgrade", upgrade)
    assert (answer.status, answer["code"]) == (422, "ActionNotAvailable")
    assert "no containers" in answer["message"]
    answer = api.put(f"services/{made['id']}", {"scale": 3})
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, "scale", "InvalidOption")
    assert api.put(f"services/{made['id']}", {"scale": 1}).status == 200  # as it is already: clients send it along


def test_an_alias_links_to_services_and_is_linked_to(api: ApiClient, add: Any, stack: dict[str, str]):
    one, two = add("services", "one", **_serve()), add("externalservices", "two", hostname="two.example")
    alias = add("dnsservices", "both")
    links = [{"serviceId": one["id"]}, {"serviceId": two["id"], "name": "second"}]
    assert api.post(f"dnsservices/{alias['id']}?action=setservicelinks", {"serviceLinks": links}).status == 202
    assert sorted(api.get(f"dnsservices/{alias['id']}/consumedservices").ids) == sorted([one["id"], two["id"]])
    more = {"serviceLink": {"serviceId": alias["id"], "name": "any"}}
    assert api.post(f"services/{stack['front']}?action=addservicelink", more).status == 202
    assert stack["front"] in api.get(f"services/{alias['id']}/consumedbyservices").ids
    types = {each["type"] for each in api.get(f"services/{alias['id']}/consumedservices")["data"]}
    assert types == {"service", "externalService"}
    gone = {"serviceLink": {"serviceId": two["id"], "name": "second"}}
    assert api.post(f"services/{alias['id']}?action=removeservicelink", gone).status == 202
    assert api.get(f"dnsservices/{alias['id']}/consumedservices").ids == [one["id"]]


@pytest.mark.parametrize("field", ["selectorLink", "selectorContainer"])
def test_a_selector_that_cannot_be_read_is_refused(field: str, api: ApiClient, stack: dict[str, str]):
    body = {"name": "x", "environmentId": stack["stack"], **_serve(), field: "a in b"}
    answer = api.post("services", body)
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, field, "InvalidFormat")
    answer = api.put(f"services/{stack['front']}", {field: "a=(b"})
    assert (answer.status, answer["fieldName"], answer["code"]) == (422, field, "InvalidFormat")


def test_selected_containers_are_members_as_long_as_their_labels_match(api: ApiClient, add: Any, idle: Idle):
    group = add("services", "group", **_serve("docker:rancher/none"), selectorContainer="tier in (db, cache)")
    assert (group["state"], group["currentScale"], _members(api, group)) == ("active", 0, [])
    db = add("services", "db", scale=2, **_serve(tier="db"))
    add("services", "web", **_serve(tier="web"))
    mine = api.get(f"services/{db['id']}/instances").ids
    assert sorted(_members(api, group)) == sorted(mine)
    assert sorted(api.get(f"services/{group['id']}/instances").ids) == sorted(mine)
    managed = {each["managed"] for each in api.get(f"services/{group['id']}/serviceexposemaps")["data"]}
    assert managed == {False}
    assert {each["managed"] for each in api.get(f"services/{db['id']}/serviceexposemaps")["data"]} == {True}
    assert sorted(api.get(f"containers/{mine[0]}/services").ids) == sorted([db["id"], group["id"]])
    api.put(f"services/{db['id']}", {"scale": 1})
    idle()
    assert len(_members(api, group)) == 1
    api.put(f"services/{group['id']}", {"selectorContainer": "tier=web"})
    idle()
    (left,) = _members(api, group)
    assert left not in mine
    api.put(f"services/{group['id']}", {"selectorContainer": ""})
    idle()
    assert _members(api, group) == []


def test_selected_links_come_and_go_with_the_labels_of_services(
    api: ApiClient, add: Any, idle: Idle, stack: dict[str, str], django_capture_on_commit_callbacks: Any
):
    front = add("services", "lb", **_serve(), selectorLink="web=true")

    def linked() -> list[str]:
        return api.get(f"services/{front['id']}/consumedservices").ids

    one, two = add("services", "one", **_serve(web="true")), add("services", "two", **_serve(web="false"))
    assert linked() == [one["id"]]
    by_hand = [{"serviceId": two["id"], "name": "one"}]
    with django_capture_on_commit_callbacks(execute=True):
        api.post(f"services/{front['id']}?action=setservicelinks", {"serviceLinks": by_hand})
    idle()
    maps = api.get(f"serviceconsumemaps?serviceId={front['id']}")["data"]
    assert {each["name"]: each["consumedServiceId"] for each in maps} == {"one": two["id"], "one.web": one["id"]}
    with django_capture_on_commit_callbacks(execute=True):
        api.post(f"services/{front['id']}?action=setservicelinks", {"serviceLinks": None})
    idle()
    assert linked() == [one["id"]]
    upgrade = {"inServiceStrategy": _serve(web="true")}
    assert api.post(f"services/{two['id']}?action=upgrade", upgrade).status == 202
    idle()
    assert sorted(linked()) == sorted([one["id"], two["id"]])
    api.delete(f"services/{one['id']}")
    idle()
    assert linked() == [two["id"]]


def test_the_labels_of_selectors_count_as_the_fields(add: Any):
    label = "io.rancher.service.selector.container"
    made = add("services", "group", **_serve("docker:rancher/none", **{label: "tier=db"}))
    assert (made["selectorContainer"], made["launchConfig"]["labels"]) == ("tier=db", {label: "tier=db"})


def test_settings_of_addresses_and_metadata_come_back_as_they_were_sent(api: ApiClient, add: Any):
    metadata = {"a": [1, {"b": None}], "ü": "x", "io.rancher.service.hash": "1"}
    labels = {
        "io.rancher.container.requested_ip": "10.42.5.1",
        "io.rancher.container.hostname_override": "container_name",
    }
    settings = {"retainIp": True, "assignServiceIpAddress": True, "vip": "10.0.0.1"}
    made = add("services", "x", metadata=metadata, **_serve(**labels), **settings)
    assert settings.items() <= made.body.items()
    assert (made["metadata"], made["launchConfig"]["labels"]) == (metadata, labels)
    changed = api.put(f"services/{made['id']}", {"retainIp": False})
    assert (changed["retainIp"], changed["vip"]) == (False, "10.0.0.1")


def test_no_container_becomes_one_of_an_image_that_stands_for_none(api: ApiClient, add: Any):
    made = add("services", "x", **_serve())
    upgrade = {"inServiceStrategy": {"launchConfig": {"imageUuid": "docker:rancher/none"}}}
    answer = api.post(f"services/{made['id']}?action=upgrade", upgrade)
    assert (answer.status, answer["code"]) == (422, "InvalidOption")


def test_a_service_of_an_image_that_stands_for_none_has_no_scale_and_no_sidekick(api: ApiClient, stack: dict[str, str]):
    body: dict[str, Any] = {
        "name": "group",
        "environmentId": stack["stack"],
        "launchConfig": {"imageUuid": "docker:rancher/none"},
    }
    answer = api.post("services", {**body, "scale": 3})
    assert (answer.status, answer["code"], answer["fieldName"]) == (422, "InvalidOption", "scale")
    side = {"name": "log", "imageUuid": "docker:rancher/none"}
    body |= {"launchConfig": {"imageUuid": "docker:bb:local"}, "secondaryLaunchConfigs": [side]}
    answer = api.post("services", body)
    assert (answer.status, answer["fieldName"]) == (422, "secondaryLaunchConfigs.log.imageUuid")


def test_links_that_are_a_text_are_refused_as_no_list(api: ApiClient, add: Any):
    made = add("services", "x", **_serve())
    for wrong in ("1s1", ["1s1"], 7):
        answer = api.post(f"services/{made['id']}?action=setservicelinks", {"serviceLinks": wrong})
        assert (answer.status, answer["message"]) == (422, "serviceLinks must be a list of objects.")


def test_others_see_none_of_it(api_of: Any, add: Any):
    made = add("externalservices", "db", hostname="db.example.com")
    outsider = api_of("mallory")
    assert outsider.get(f"externalservices/{made['id']}").status == 404
    assert outsider.get("serviceexposemaps")["data"] == []


def test_a_stack_is_as_well_as_its_services_with_containers(
    api: ApiClient, add: Any, idle: Idle, stack: dict[str, str]
):
    add("externalservices", "db", hostname="db.example.com")
    assert api.get(f"environments/{stack['stack']}")["healthState"] == "healthy"
    for name in ("front", "back"):
        api.post(f"services/{stack[name]}?action=deactivate", {})
    idle()
    stopped = api.get(f"environments/{stack['stack']}")["healthState"]
    assert stopped == "initializing"  # v1's word for a stack that is stopped: the external service keeps none of it up


def test_an_image_that_stands_for_a_kind_makes_no_ordinary_service(
    api: ApiClient, add: Any, stack: dict[str, str], idle: Idle
):
    """Nobody could pull it."""
    alias = add("services", "db", **_serve("docker:rancher/dns-service:latest"))
    assert (alias["type"], alias["kind"], alias["state"]) == ("dnsService", "dnsService", "active")
    assert api.get(f"dnsservices/{alias['id']}").status == 200
    body = {"name": "out", "environmentId": stack["stack"], **_serve("docker:rancher/external-service")}
    refused = api.post("services", body)
    assert (refused.status, refused["fieldName"], refused["code"]) == (422, "imageUuid", "InvalidOption")
    assert "/v1/externalservices" in refused["message"]
    idle()
    assert not Container.all_objects.filter(image__contains="rancher/").exists()
