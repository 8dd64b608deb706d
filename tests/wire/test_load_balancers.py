"""`loadBalancerService` and its links, as clients of v1 use them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.models import Container
from apps.containers.streams import KEYS_WITHIN
from apps.control.queue import enqueue
from apps.core.models import Setting
from apps.environments.models import Environment
from apps.environments.services import members_set, role_create
from apps.stacks.balancer.certificates import holds_keys
from apps.stacks.balancer.launch import IMAGE_SETTING
from apps.stacks.balancer.selectors import balancer_config
from apps.stacks.models import Service
from tests.wire.api_client import ApiClient, ApiResponse, run_until_idle

Idle = Callable[[], None]
SSL = "io.rancher.loadbalancer.ssl.ports"
TARGET = "io.rancher.loadbalancer.target."


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
    """Adds a balancer to the stack, and has it reconciled."""

    Setting.objects.create(name=IMAGE_SETTING, value="sim/nginx:1")

    def make(launch: dict[str, Any], **fields: Any) -> ApiResponse:
        body = {"name": "lb", "environmentId": stack["stack"], "startOnCreate": True, "launchConfig": launch, **fields}
        made = api.post("loadbalancerservices", body)
        assert made.status == 201, made.body
        idle()
        Container.all_objects.filter(name__contains="_lb_").update(health="healthy")  # as if port 42 had answered
        enqueue("service", int(made["id"][2:]))
        idle()
        return api.get(f"loadbalancerservices/{made['id']}")

    return make


def _config(made: ApiResponse) -> Any:
    return balancer_config(Service.all_objects.get(pk=int(made["id"][2:])))


def test_a_balancer_shows_its_listeners_as_they_were_sent(add: Any, api: ApiClient):
    made = add({"ports": ["80:8080", "81:8181/tcp"], "expose": ["90:9090"], "labels": {"a": "b"}}, scale=2)
    assert (made["type"], made["baseType"], made["kind"]) == ("loadBalancerService", "service", "loadBalancerService")
    assert (made["scale"], made["currentScale"]) == (2, 2)
    launch = made["launchConfig"]
    assert (launch["ports"], launch["expose"]) == (["80:8080", "81:8181/tcp"], ["90:9090"])
    assert launch["labels"] == {"a": "b"}
    assert launch["healthCheck"]["port"] == 42
    listed = {each["id"]: each["type"] for each in api.get("services")["data"]}
    assert listed[made["id"]] == "loadBalancerService"


def test_its_containers_publish_the_listeners_themselves(add: Any):
    add({"ports": ["80:8080"], "expose": ["90:9090"], "imageUuid": "docker:rancher/load-balancer-service"})
    found = Container.all_objects.get(name__endswith="_lb_1")
    assert [str(each) for each in found.config.ports] == ["80:80/tcp"]
    assert [str(each) for each in found.config.expose] == ["90/tcp"]
    assert found.image == "sim/nginx:1"
    assert found.network_check is not None


def test_links_carry_rules_and_are_shown_with_them(add: Any, api: ApiClient, stack: dict[str, str], idle: Idle):
    made = add({"ports": ["80:8080", "81"]})
    url = f"loadbalancerservices/{made['id']}"
    links = [
        {"serviceId": stack["front"], "ports": ["a.com:80/shop=99", "*.a.com"]},
        {"serviceId": stack["front"], "name": "second"},
    ]
    assert api.post(f"{url}?action=setservicelinks", {"serviceLinks": links}).status == 202
    maps = api.get(f"serviceconsumemaps?serviceId={made['id']}")["data"]
    assert {each["name"]: each["ports"] for each in maps} == {"front": ["a.com:80/shop=99", "*.a.com"], "second": []}
    idle()
    config = _config(made)
    assert [(each.port, each.host, each.path, each.level) for each in config.rules] == [
        (80, "a.com", "/shop", 1),
        (80, "*.a.com", "", 4),
        (80, "", "", 6),
        (81, "*.a.com", "", 4),
        (81, "", "", 6),
    ]
    assert {server.port for server in config.backend(config.rules[0].backend).servers} == {99}
    assert {server.port for server in config.backend(config.rules[2].backend).servers} == {8080}
    link = {"serviceId": stack["front"], "name": "second"}
    assert api.post(f"{url}?action=removeservicelink", {"serviceLink": link}).status == 202
    added = {"serviceLink": {"serviceId": stack["front"], "ports": ["/new"]}}
    assert api.post(f"{url}?action=addservicelink", added).status == 202
    maps = api.get(f"serviceconsumemaps?serviceId={made['id']}")["data"]
    assert [each["ports"] for each in maps] == [["/new"]]
    assert api.post(f"{url}?action=setservicelinks", {"serviceLinks": None}).status == 202
    assert _config(made).rules == ()


def test_labels_say_the_rules_of_links_that_say_none(add: Any, api: ApiClient, stack: dict[str, str]):
    made = add({"ports": ["80:8080"], "labels": {f"{TARGET}front": "a.com,b.com=81"}})
    body = {"serviceLinks": [{"serviceId": stack["front"]}]}
    assert api.post(f"loadbalancerservices/{made['id']}?action=setservicelinks", body).status == 202
    assert [each.host for each in _config(made).rules] == ["a.com", "b.com"]


@pytest.mark.parametrize(
    ("ports", "code"),
    [
        (["a.com:"], "InvalidPort"),
        (["a..com"], "InvalidPort"),
        (["82"], "InvalidPort"),
        (["a.com:81"], "InvalidPort"),
        (["42=80"], "InvalidPort"),
        (["80/a b"], "InvalidPort"),
        (["a"] * 101, "MaxLimitExceeded"),
    ],
)
def test_bad_rules_are_refused_and_change_nothing(
    add: Any, api: ApiClient, stack: dict[str, str], ports: list[str], code: str
):
    made = add({"ports": ["80:8080", "81:81/tcp"]})
    body = {"serviceLinks": [{"serviceId": stack["front"], "ports": ports}]}
    refused = api.post(f"loadbalancerservices/{made['id']}?action=setservicelinks", body)
    assert (refused.status, refused["code"]) == (422, code), refused.body
    assert api.get(f"serviceconsumemaps?serviceId={made['id']}")["data"] == []


@pytest.mark.parametrize(
    ("fields", "field", "code"),
    [
        ({"launchConfig": {"ports": ["42"]}}, "ports", "InvalidOption"),
        ({"launchConfig": {"ports": ["42:80"]}}, "ports", "InvalidOption"),
        ({"launchConfig": {"expose": ["42"]}}, "ports", "InvalidOption"),
        ({"launchConfig": {"ports": ["80", "80:81"]}}, "ports", "NotUnique"),
        ({"launchConfig": {"ports": ["80-90:80"]}}, "ports", "PortWrongFormat"),
        ({"launchConfig": {"ports": ["80/udp"]}}, "ports", "PortInvalidProtocol"),
        ({"launchConfig": {"ports": ["x"]}}, "ports", "PortWrongFormat"),
        ({"launchConfig": {"ports": ["443"], "labels": {SSL: "443"}}}, "defaultCertificateId", "MissingRequired"),
        ({"launchConfig": {"ports": ["443"], "labels": {SSL: "x"}}}, "labels", "InvalidPort"),
        ({"launchConfig": {"imageUuid": "docker:thief"}}, "imageUuid", "InvalidOption"),
        ({"launchConfig": {"command": ["cat"]}}, "command", "InvalidOption"),
        ({"launchConfig": {"networkMode": "host"}}, "networkMode", "InvalidOption"),
        ({"defaultCertificateId": "1c77"}, "defaultCertificateId", "InvalidReference"),
        ({"certificateIds": ["1c77"]}, "certificateIds", "InvalidReference"),
        (
            {"loadBalancerConfig": {"lbCookieStickinessPolicy": {"mode": "sometimes"}}},
            "loadBalancerConfig.lbCookieStickinessPolicy.mode",
            "InvalidOption",
        ),
        (
            {"loadBalancerConfig": {"lbCookieStickinessPolicy": {"cookie": "a b"}}},
            "loadBalancerConfig.lbCookieStickinessPolicy.cookie",
            "InvalidCharacters",
        ),
    ],
)
def test_what_a_balancer_cannot_be_is_refused_with_the_field(
    api: ApiClient, stack: dict[str, str], fields: dict[str, Any], field: str, code: str
):
    refused = api.post("loadbalancerservices", {"name": "lb", "environmentId": stack["stack"], **fields})
    assert (refused.status, refused["code"]) == (422, code), refused.body
    assert refused["fieldName"] == field
    assert not Service.all_objects.filter(name="lb").exists()


def test_its_configuration_is_kept_and_changed_in_place(add: Any, api: ApiClient, idle: Idle):
    sent: dict[str, dict[str, Any]] = {
        "haproxyConfig": {"global": "maxconn 50", "defaults": "timeout client 9s"},
        "lbCookieStickinessPolicy": {"name": "p", "cookie": "C", "mode": "insert", "indirect": True},
    }
    made = add({"ports": ["80:8080"]}, loadBalancerConfig=sent)
    found = made["loadBalancerConfig"]
    assert found["haproxyConfig"] == sent["haproxyConfig"]
    assert sent["lbCookieStickinessPolicy"].items() <= found["lbCookieStickinessPolicy"].items()
    before = Container.all_objects.get(name__endswith="_lb_1").pk
    changed = api.put(f"loadbalancerservices/{made['id']}", {"loadBalancerConfig": {"haproxyConfig": {"global": "a"}}})
    assert changed.status == 200, changed.body
    assert changed["loadBalancerConfig"]["lbCookieStickinessPolicy"] is None
    idle()
    assert Container.all_objects.get(name__endswith="_lb_1").pk == before
    assert (_config(made).custom.global_lines, _config(made).cookie) == ("a", None)


def test_an_upgrade_takes_other_listeners_and_a_rollback_brings_rules_back(
    add: Any, api: ApiClient, stack: dict[str, str], idle: Idle
):
    made = add({"ports": ["80:8080"]})
    url = f"loadbalancerservices/{made['id']}"
    links = {"serviceLinks": [{"serviceId": stack["front"], "ports": ["a.com:80"]}]}
    assert api.post(f"{url}?action=setservicelinks", links).status == 202
    upgrade = {"inServiceStrategy": {"launchConfig": {**made["launchConfig"], "ports": ["81:9090"]}}}
    answer = api.post(f"{url}?action=upgrade", upgrade)
    assert answer.status == 202, (answer["code"], answer["message"], answer["fieldName"])
    assert answer["launchConfig"]["ports"] == ["81:9090"]
    assert answer["upgrade"]["inServiceStrategy"]["previousLaunchConfig"]["ports"] == ["80:8080"]
    idle()
    links = {"serviceLinks": [{"serviceId": stack["front"], "ports": ["b.com:81"]}]}
    assert api.post(f"{url}?action=setservicelinks", links).status == 202
    assert [each.host for each in _config(made).rules] == ["b.com"]
    assert api.post(f"{url}?action=cancelupgrade", {}).status == 202
    idle()
    assert api.post(f"{url}?action=rollback", {}).status == 202
    assert [(each.port, each.host) for each in _config(made).rules] == [(80, "a.com")]
    assert api.get(url)["launchConfig"]["ports"] == ["80:8080"]


def test_a_balancer_is_made_by_its_image_as_a_service_too(api: ApiClient, stack: dict[str, str]):
    launch = {"imageUuid": "docker:rancher/lb-service-haproxy:v0.7.5", "ports": ["80:80"]}
    made = api.post("services", {"name": "lb", "environmentId": stack["stack"], "launchConfig": launch})
    assert (made.status, made["type"]) == (201, "loadBalancerService"), made.body


def test_links_of_other_services_have_no_rules(api: ApiClient, stack: dict[str, str]):
    body = {"serviceLink": {"serviceId": stack["front"], "name": "x", "ports": ["a.com"]}}
    refused = api.post(f"services/{stack['front']}?action=addservicelink", body)
    assert refused.status in {202, 422}
    assert all(each["ports"] == [] for each in api.get("serviceconsumemaps")["data"])


def test_aliases_and_external_services_are_targets(add: Any, api: ApiClient, stack: dict[str, str], idle: Idle):
    made = add({"ports": ["80:8080"]})
    body = {"environmentId": stack["stack"], "startOnCreate": True}
    outside = api.post("externalservices", {**body, "name": "out", "externalIpAddresses": ["192.0.2.7"]})
    alias = api.post("dnsservices", {**body, "name": "any"})
    link = {"serviceLinks": [{"serviceId": stack["front"], "name": "front"}]}
    assert api.post(f"dnsservices/{alias['id']}?action=setservicelinks", link).status == 202
    links = [{"serviceId": outside["id"], "ports": ["/out"]}, {"serviceId": alias["id"]}]
    assert api.post(f"loadbalancerservices/{made['id']}?action=setservicelinks", {"serviceLinks": links}).status == 202
    idle()
    config = _config(made)
    first, last = (config.backend(each.backend).servers for each in config.rules)
    assert [(each.address, each.port) for each in first] == [("192.0.2.7", 8080)]
    addresses = Container.all_objects.filter(name__contains="_front_").values_list("address", flat=True)
    assert {each.address for each in last} == set(addresses)


def test_a_service_returns_to_the_rules_of_an_older_revision(
    add: Any, api: ApiClient, stack: dict[str, str], idle: Idle
):
    made = add({"ports": ["80:8080"]})
    url = f"loadbalancerservices/{made['id']}"
    links = {"serviceLinks": [{"serviceId": stack["front"], "ports": ["a.com:80"]}]}
    assert api.post(f"{url}?action=setservicelinks", links).status == 202
    upgrade = {"inServiceStrategy": {"launchConfig": {**made["launchConfig"], "ports": ["81:9090"]}}}
    assert api.post(f"{url}?action=upgrade", upgrade).status == 202
    idle()
    assert api.post(f"{url}?action=cancelupgrade", {}).status == 202
    idle()
    assert api.post(f"{url}?action=finishupgrade", {}).status == 202
    idle()
    Container.all_objects.filter(name__contains="_lb_").update(health="healthy")
    enqueue("service", int(made["id"][2:]))
    idle()
    links = {"serviceLinks": [{"serviceId": stack["front"], "ports": ["b.com:81"]}]}
    assert api.post(f"{url}?action=setservicelinks", links).status == 202
    answer = api.post(f"{url}?action=returntorevision", {"revision": 1})
    assert answer.status == 202, (answer["code"], answer["message"])
    assert answer["launchConfig"]["ports"] == ["80:8080"]
    assert [(each.port, each.host) for each in _config(made).rules] == [(80, "a.com")]


def test_a_shell_in_one_and_a_volume_beside_its_keys_are_refused_where_secrets_are(
    add: Any, api: ApiClient, stack: dict[str, str], lab: Environment, people: Any, actor_of: Any, api_of: Any
):
    add({"ports": ["80:8080"]})
    row = Container.all_objects.get(name__endswith="_lb_1")
    other = Container.all_objects.filter(name__contains="_front_").first()
    assert holds_keys(row)
    assert other is not None
    assert not holds_keys(other)
    role_create(actor=actor_of("root"), name="runner", permissions=["view", "exec"])
    listed = [{"externalId": f"1a{people.bob.pk}", "externalIdType": "rancher_id", "role": "runner"}]
    listed += [{"externalId": f"1a{people.alice.pk}", "externalIdType": "rancher_id", "role": "owner"}]
    members_set(lab, listed, actor=actor_of("root"))
    refused = api.post(f"containers/1i{row.pk}?action=execute", {"command": ["sh"]})
    assert (refused.status, refused["message"]) == (403, KEYS_WITHIN)
    assert api.post(f"containers/1i{other.pk}?action=execute", {"command": ["sh"]}).status == 200


@pytest.mark.parametrize("path", ["/etc/haproxy", "/etc", "/etc/haproxy/certificates", "/run/haproxy/"])
def test_no_volume_is_mounted_where_keys_are(path: str, api: ApiClient, stack: dict[str, str]):
    Setting.objects.create(name=IMAGE_SETTING, value="sim/nginx:1")
    launch = {"ports": ["80:80"], "dataVolumes": [f"keys:{path}"]}
    body = {"name": "lb", "environmentId": stack["stack"], "launchConfig": launch}
    refused = api.post("loadbalancerservices", body)
    assert (refused.status, refused["fieldName"]) == (422, "dataVolumes"), refused.body
