"""`lbConfig` read into v1's words and written from them; pure, without a portal."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from apps.api.v2beta.lb_config import LbConfig, first_form_ports, read_lb_config, source_port, write_lb_config
from apps.core.errors import Invalid
from apps.stacks.balancer.config import Listener
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort

WEB = {"sourcePort": 80, "serviceId": "1s1"}


def settings_of(*listeners: Listener) -> BalancerSettings:
    return BalancerSettings(listeners)


def link(target: int, *ports: str) -> Any:
    return SimpleNamespace(target_id=target, ports=list(ports))


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        pytest.param(WEB, TargetPort(source=80), id="everything at a port"),
        pytest.param({**WEB, "targetPort": 8080}, TargetPort(source=80, port=8080), id="another port of the target"),
        pytest.param({**WEB, "hostname": "A.example"}, TargetPort("a.example", 80), id="a host"),
        pytest.param({**WEB, "hostname": "*.example"}, TargetPort("*.example", 80), id="a wildcard"),
        pytest.param({**WEB, "path": "/shop/"}, TargetPort(source=80, path="/shop"), id="a path"),
        pytest.param(
            {**WEB, "hostname": "a.example", "path": "/b", "targetPort": 1},
            TargetPort("a.example", 80, "/b", 1),
            id="all of it",
        ),
        pytest.param({**WEB, "hostname": "", "path": "", "targetPort": 0}, TargetPort(source=80), id="the Go client's"),
        pytest.param({**WEB, "priority": 3, "backendName": "x"}, TargetPort(source=80), id="what changes nothing"),
    ],
)
def test_a_port_rule_is_read_as_the_rule_of_a_link(rule: Any, found: TargetPort):
    assert read_lb_config({"portRules": [rule]}).rules == {"1s1": [found]}


def test_rules_of_one_service_stay_together_and_in_order():
    rules = [{**WEB, "path": "/a"}, {**WEB, "serviceId": "1s2"}, {**WEB, "path": "/b"}]
    found = read_lb_config({"portRules": rules}).rules
    assert found is not None
    assert {key: [each.path for each in group] for key, group in found.items()} == {"1s1": ["/a", "/b"], "1s2": [""]}


def test_no_word_of_rules_is_something_else_than_no_rules():
    assert read_lb_config({}).rules is None
    assert read_lb_config({"portRules": None}).rules is None
    assert read_lb_config({"portRules": []}).rules == {}


@pytest.mark.parametrize("protocol", ["http", "https", "tcp", "tls", "HTTP", None])
def test_the_protocol_is_the_ports(protocol: str | None):
    found = read_lb_config({"portRules": [{**WEB, "protocol": protocol}]})
    assert found.protocols == {80: (protocol or "http").lower()}


@pytest.mark.parametrize(
    ("rule", "code", "field"),
    [
        ({"sourcePort": 80}, "MissingRequired", "serviceId"),
        ({"sourcePort": 80, "serviceId": 7}, "MissingRequired", "serviceId"),
        ({"serviceId": "1s1"}, "MissingRequired", "sourcePort"),
        ({**WEB, "sourcePort": 0}, "MissingRequired", "sourcePort"),
        ({**WEB, "sourcePort": -1}, "InvalidPort", "sourcePort"),
        ({**WEB, "sourcePort": True}, "InvalidPort", "sourcePort"),
        ({**WEB, "targetPort": 65536}, "InvalidPort", "targetPort"),
        ({**WEB, "targetPort": "http"}, "InvalidPort", "targetPort"),
        ({**WEB, "protocol": "sni"}, "InvalidOption", "protocol"),
        ({**WEB, "protocol": ["tcp"]}, "InvalidOption", "protocol"),
    ],
)
def test_a_wrong_rule_is_refused_by_its_field(rule: Any, code: str, field: str):
    with pytest.raises(Invalid) as refused:
        read_lb_config({"portRules": [WEB, rule]})
    assert (refused.value.code, refused.value.field) == (code, f"lbConfig.portRules[1].{field}")


@pytest.mark.parametrize(
    "rule",
    [
        {**WEB, "hostname": "a b"},
        {**WEB, "hostname": "a.example:81"},
        {**WEB, "hostname": "a.example/x"},
        {**WEB, "hostname": "a=1"},
        {**WEB, "path": "no"},
        {**WEB, "path": "/a=9"},
        {**WEB, "path": "/a b"},
        {**WEB, "sourcePort": 42},
    ],
)
def test_what_no_link_can_say_is_refused(rule: Any):
    with pytest.raises(Invalid, match=r"lbConfig\.portRules"):
        read_lb_config({"portRules": [rule]})


def test_a_list_of_rules_has_an_end():
    with pytest.raises(Invalid, match="at most 1000"):
        read_lb_config({"portRules": [WEB] * 1001})


@pytest.mark.parametrize(
    ("text", "sections", "proxied"),
    [
        ("", None, ()),
        ("global\n  maxconn 9", {"global": "maxconn 9"}, ()),
        ("defaults\r\n  timeout client 1s\r\n  retries 3", {"defaults": "timeout client 1s\nretries 3"}, ()),
        ("\nfrontend 80\n    accept-proxy", None, (80,)),
        ("global\n  a\nfrontend 80\n    accept-proxy\nfrontend 443\n\taccept-proxy\n", {"global": "a"}, (80, 443)),
    ],
)
def test_lines_for_haproxy_are_read_as_v1_has_them(text: str, sections: Any, proxied: tuple[int, ...]):
    found = read_lb_config({"config": text})
    assert (found.first["haproxyConfig"], found.proxied) == (sections, proxied)


@pytest.mark.parametrize("text", ["listen x\n  bind :1", "frontend 80\n  acl a b", "backend x\n  server s 1.2.3.4"])
def test_lines_of_other_sections_are_refused_by_their_heading(text: str):
    with pytest.raises(Invalid, match=text.partition("\n")[0]):
        read_lb_config({"config": text})


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("80", 80),
        ("80/tcp", 80),
        ("80:8080", 80),
        ("80:8080/tcp", 80),
        ("10.0.0.1:80:8080", 80),
        ("[::1]:80:8080/udp", 80),
        ("x", None),
        ("", None),
    ],
)
def test_the_listeners_port_is_found_in_every_way_to_write_it(text: str, port: int | None):
    assert source_port(text) == port


def test_ports_get_the_protocols_of_their_rules():
    found = read_lb_config(
        {"portRules": [{**WEB, "protocol": "https"}, {**WEB, "sourcePort": 5432, "protocol": "tcp"}]}
    )
    launch = first_form_ports({"ports": ["80:80/tcp", "81/tcp"], "labels": {"a": "b"}, "imageUuid": "x"}, found)
    assert launch == {
        "ports": ["80:80/https", "81/http"],
        "expose": ["5432/tcp"],
        "labels": {"a": "b"},
        "imageUuid": "x",
    }


def test_proxied_ports_become_a_label():
    found = read_lb_config({"config": "frontend 80\n  accept-proxy"})
    assert first_form_ports({"ports": ["80"]}, found)["labels"] == {
        "io.rancher.loadbalancer.proxy-protocol.ports": "80"
    }


def test_without_rules_listeners_stay_what_they_are():
    known = (Listener(80, "tcp"), Listener(81, "https", is_public=False))
    launch = first_form_ports({"ports": ["80:80/tcp"]}, LbConfig(), known)
    assert (launch["ports"], launch["expose"]) == (["80:80/tcp"], ["81/https"])
    published = first_form_ports({"ports": ["80:80/tcp", "81:81/tcp"]}, LbConfig(), known)
    assert (published["ports"], published["expose"]) == (["80:80/tcp", "81:81/https"], [])


@pytest.mark.parametrize("launch", [{"ports": 7}, {"ports": "80"}, {"ports": ["80"], "labels": ["a"]}])
def test_what_is_no_launch_config_is_left_for_its_own_refusal(launch: Any):
    assert first_form_ports(launch, LbConfig()) == launch


def test_a_link_without_rules_is_a_rule_for_each_listener():
    found = write_lb_config(settings_of(Listener(80), Listener(443, "https", target_port=80)), [link(7)])
    assert [(each["sourcePort"], each["protocol"], each["targetPort"]) for each in found["portRules"]] == [
        (80, "http", 80),
        (443, "https", 80),
    ]
    assert {each["serviceId"] for each in found["portRules"]} == {"1s7"}
    assert [each["priority"] for each in found["portRules"]] == [1, 2]


def test_a_rule_of_one_listener_is_not_one_of_the_others():
    found = write_lb_config(settings_of(Listener(80), Listener(81)), [link(1, "a.example:80/x=8080"), link(2, "81")])
    assert [(each["sourcePort"], each["hostname"], each["path"]) for each in found["portRules"]] == [
        (80, "a.example", "/x"),
        (81, None, None),
    ]


def test_what_is_written_reads_back_as_the_same_rules():
    links = [link(1, "a.example:80/x=8080", "80/y"), link(2, "81=5432")]
    settings = settings_of(Listener(80), Listener(81, "tcp", proxy_protocol=True))
    written = write_lb_config(settings, links)
    found = read_lb_config(written)
    assert found.protocols == {80: "http", 81: "tcp"}
    assert found.proxied == (81,)
    assert (
        write_lb_config(settings, [link(int(key[2:]), *map(str, rules)) for key, rules in (found.rules or {}).items()])[
            "portRules"
        ]
        == written["portRules"]
    )


def test_a_balancer_of_nothing_says_nothing():
    found = write_lb_config(settings_of(), [link(1)])
    assert found == {
        "type": "lbConfig",
        "certificateIds": [],
        "config": None,
        "defaultCertificateId": None,
        "portRules": [],
        "stickinessPolicy": None,
    }
