"""Balancers over v2-beta: `lbConfig` says what v1 says by several fields and by links, and leads to the same."""

from __future__ import annotations

from typing import Any

import pytest

from apps.stacks.models import Service, ServiceLink
from tests.wire.api_client import ApiClient, run_until_idle

RULES = [
    {"sourcePort": 80, "protocol": "http", "hostname": "shop.example", "path": "/a", "targetPort": 8080, "priority": 1},
    {"sourcePort": 81, "protocol": "tcp", "targetPort": 5432},
]
POLICY = {"name": "sticky", "cookie": "SERVER", "mode": "insert", "nocache": True, "links": None, "actions": None}
CONFIG = "global\n    maxconn 100\n\ndefaults\n    timeout client 5s\n\nfrontend 80\n    accept-proxy"


@pytest.fixture
def later(api: ApiClient, lab: Any) -> ApiClient:
    return api.inside(lab).speaking("v2-beta")


@pytest.fixture
def body(stack: Any) -> dict[str, Any]:
    targets = (stack["front"], stack["back"])
    rules = [{**rule, "serviceId": key, "links": None} for rule, key in zip(RULES, targets, strict=True)]
    return {
        "name": "lb",
        "stackId": stack["stack"].replace("1e", "1st"),
        "launchConfig": {"imageUuid": "docker:rancher/lb-service-haproxy:v0.6.4", "ports": ["80:80/tcp"]},
        "lbConfig": {"portRules": rules, "stickinessPolicy": POLICY, "config": CONFIG, "certificateIds": None},
        "startOnCreate": True,
    }


def shown(row: Any) -> list[tuple[Any, ...]]:
    names = ("sourcePort", "protocol", "hostname", "path", "targetPort", "serviceId")
    return [tuple(each[name] for name in names) for each in row["lbConfig"]["portRules"]]


def test_a_balancer_is_made_with_its_rules_and_shown_in_both_dialects(
    api: ApiClient, later: ApiClient, stack: Any, body: Any
):
    made = later.post("loadbalancerservices", body)
    assert made.status == 201, made.body
    run_until_idle()
    found = later.get(f"loadbalancerservices/{made['id']}")
    assert found["state"] == "active", found["transitioningMessage"]
    assert shown(found) == [
        (81, "tcp", None, None, 5432, stack["back"]),
        (80, "http", "shop.example", "/a", 8080, stack["front"]),
    ] or shown(found) == [
        (80, "http", "shop.example", "/a", 8080, stack["front"]),
        (81, "tcp", None, None, 5432, stack["back"]),
    ]
    assert found["launchConfig"]["ports"] == ["80:80/tcp"]
    config = found["lbConfig"]
    assert (config["stickinessPolicy"]["cookie"], config["stickinessPolicy"]["nocache"]) == ("SERVER", True)
    assert config["config"].split() == CONFIG.split()
    first = api.get(f"loadbalancerservices/{made['id']}")
    assert first["loadBalancerConfig"]["haproxyConfig"] == {"global": "maxconn 100", "defaults": "timeout client 5s"}
    assert first["launchConfig"]["expose"] == ["81:81/tcp"]
    assert {link.target.name: link.ports for link in ServiceLink.objects.filter(service__name="lb")} == {
        "front": ["shop.example:80/a=8080"],
        "back": ["81=5432"],
    }


def test_what_is_read_can_be_sent_back(later: ApiClient, body: Any):
    key = later.post("loadbalancerservices", body)["id"]
    run_until_idle()
    before = later.get(f"loadbalancerservices/{key}")
    changed = later.put(f"loadbalancerservices/{key}", before.body)
    assert changed.status == 200, changed.body
    run_until_idle()
    after = later.get(f"loadbalancerservices/{key}")
    assert (shown(after), after["launchConfig"]) == (shown(before), before["launchConfig"])


def test_rules_change_by_an_update_and_links_do_not_touch_them(later: ApiClient, stack: Any, body: Any):
    row = f"loadbalancerservices/{later.post('loadbalancerservices', body)['id']}"
    run_until_idle()
    assert later.post(f"{row}/?action=setservicelinks", {"serviceLinks": None}).status == 202
    assert len(shown(later.get(row))) == 2
    rule = {"sourcePort": 80, "serviceId": stack["back"], "hostname": "*.example"}
    changed = later.put(row, {"lbConfig": {"portRules": [rule]}})
    assert changed.status == 200, changed.body
    assert shown(later.get(row)) == [(80, "http", "*.example", None, 80, stack["back"])]
    assert later.put(row, {"scale": 2})["scale"] == 2
    assert len(shown(later.get(row))) == 1


def test_an_upgrade_keeps_the_protocols_of_listeners(later: ApiClient, body: Any):
    body["lbConfig"]["portRules"][0]["protocol"] = "tcp"
    body["lbConfig"]["portRules"][0] |= {"hostname": None, "path": None}
    row = f"loadbalancerservices/{later.post('loadbalancerservices', body)['id']}"
    run_until_idle()
    launch = {**later.get(row)["launchConfig"], "labels": {"team": "a"}}
    answer = later.post(f"{row}/?action=upgrade", {"inServiceStrategy": {"launchConfig": launch}})
    assert answer.status == 202, answer.body
    run_until_idle()
    listeners = Service.all_objects.get(name="lb").balancer_settings.listeners
    assert {(each.port, each.protocol, each.is_public) for each in listeners} == {(80, "tcp", True), (81, "tcp", False)}
    assert later.get(row)["launchConfig"]["ports"] == ["80:80/tcp"]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"portRules": [{"sourcePort": 80, "serviceId": "1s999"}]}, "InvalidReference", "lbConfig.portRules.serviceId"),
        ({"portRules": [{"sourcePort": 80, "selector": "a=b"}]}, "MissingRequired", "lbConfig.portRules[0].serviceId"),
        ({"portRules": [{"serviceId": "front"}]}, "MissingRequired", "lbConfig.portRules[0].sourcePort"),
        (
            {"portRules": [{"sourcePort": 80, "serviceId": "front", "protocol": "udp"}]},
            "InvalidOption",
            "lbConfig.portRules[0].protocol",
        ),
        (
            {"portRules": [{"sourcePort": 70000, "serviceId": "front"}]},
            "InvalidPort",
            "lbConfig.portRules[0].sourcePort",
        ),
        (
            {"portRules": [{"sourcePort": "80", "serviceId": "front"}]},
            "InvalidPort",
            "lbConfig.portRules[0].sourcePort",
        ),
        ({"portRules": 7}, "InvalidFormat", "lbConfig.portRules"),
        ({"portRules": ["x"]}, "InvalidFormat", "lbConfig.portRules"),
        ({"certificateIds": 7}, "InvalidReference", None),
        ({"certificateIds": ["1c999"]}, "InvalidReference", None),
        ({"config": "listen stats\n  bind :9"}, "InvalidOption", "lbConfig.config"),
        ({"stickinessPolicy": 7}, "InvalidFormat", None),
        (
            {"portRules": [{"sourcePort": 80, "serviceId": "front", "protocol": word} for word in ("http", "tcp")]},
            "InvalidOption",
            "lbConfig.portRules[1]",
        ),
    ],
)
def test_bad_input_is_refused_by_name_and_makes_nothing(
    later: ApiClient, stack: Any, body: Any, change: Any, code: str, field: str | None
):
    for rule in change["portRules"] if isinstance(change.get("portRules"), list) else ():
        if isinstance(rule, dict) and rule.get("serviceId") == "front":
            rule["serviceId"] = stack["front"]
    answer = later.post("loadbalancerservices", {**body, "lbConfig": {**body["lbConfig"], **change}})
    assert (answer.status, answer["code"]) == (422, code), answer.body
    assert field is None or answer["fieldName"] == field
    assert not Service.all_objects.filter(name="lb").exists()


def test_a_launch_config_that_is_no_balancers_is_refused_as_on_v1(later: ApiClient, body: Any):
    for launch in ({"ports": 7}, {"ports": ["80"], "labels": 7}, {"ports": ["x"]}, {"ports": [{"a": 1}]}):
        answer = later.post("loadbalancerservices", {**body, "launchConfig": launch, "lbConfig": None})
        assert answer.status == 422, answer.body
