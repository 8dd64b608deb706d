"""Balancers in compose files of both forms: read, refused with the line, and written so that they read back alike."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.balancer.config import (
    HTTPS,
    PROTOCOLS,
    TCP,
    AppCookieStickiness,
    CookieStickiness,
    CustomText,
    Listener,
)
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.balancer.targets import TargetPort
from apps.stacks.compose import ComposeService, export, parse

FIRST = """
web:
  image: nginx
api:
  image: nginx
lb:
  image: rancher/load-balancer-service
  tty: true
  ports:
  - 80:8080
  - 443:8443
  expose:
  - 3306:3307/tcp
  labels:
    io.rancher.loadbalancer.target.web: www.example.com:80/shop=81, *.example.com
    io.rancher.loadbalancer.ssl.ports: '443'
  links:
  - web:web
  - api:api
"""
FIRST_MORE = """
lb:
  scale: 2
  default_cert: main
  certs: [other]
  load_balancer_config:
    haproxy_config: {global: maxconn 9, defaults: timeout client 5s}
    lb_cookie_stickiness_policy: {name: p, cookie: C, mode: insert, indirect: true}
  health_check: {port: 42, interval: 2000, unhealthy_threshold: 3, healthy_threshold: 2, response_timeout: 2000}
"""
SECOND = """
version: '2'
services:
  web: {image: nginx}
  lb:
    image: rancher/lb-service-haproxy:v0.7.5
    ports:
    - 80:80
"""
SECOND_MORE = """
version: '2'
services:
  lb:
    lb_config:
      certs: []
      port_rules:
      - {protocol: http, service: web, source_port: 80, target_port: 8080, hostname: a.com, path: /x}
      - {protocol: tcp, service: web, source_port: 5432, target_port: 5433}
      - {protocol: http, service: other/db, source_port: 80}
      stickiness_policy: {cookie: C, mode: insert}
      config: |-
        global
          maxconn 10
        defaults
          timeout client 9s
        backend x
          option y
"""


def _lb(docker: str, rancher: str = "") -> ComposeService:
    return next(each for each in parse(docker, rancher, {}, stack_name="s").services if each.name == "lb")


def _settings(service: ComposeService) -> BalancerSettings:
    assert service.options.balancer is not None
    return service.options.balancer


def test_the_first_form_is_read():
    found = _lb(FIRST, FIRST_MORE)
    assert _settings(found).listeners == (
        Listener(80, target_port=8080),
        Listener(443, HTTPS, target_port=8443),
        Listener(3306, TCP, is_public=False, target_port=3307),
    )
    assert found.rules == {"web": ("www.example.com:80/shop=81", "*.example.com")}
    assert (found.default_certificate, found.certificates, found.scale) == ("main", ("other",), 2)
    assert _settings(found).custom.global_lines == "maxconn 9"
    cookie = _settings(found).cookie
    assert cookie is not None
    assert (cookie.cookie, cookie.indirect) == ("C", True)
    assert [str(each) for each in found.config.ports] == ["80:80/tcp", "443:443/tcp"]
    assert found.warnings == ()


def test_the_second_form_is_read_and_says_what_is_left_out():
    found = _lb(SECOND, SECOND_MORE)
    assert _settings(found).listeners == (
        Listener(80, target_port=80),
        Listener(5432, TCP, is_public=False, target_port=5432),
    )
    assert found.links == (("web", "web"),)
    assert found.external_links == (("other/db", "db"),)
    assert found.rules == {"web": ("a.com:80/x=8080", "5432=5433"), "db": ("80",)}
    assert (_settings(found).custom.global_lines, _settings(found).custom.defaults_lines) == (
        "maxconn 10",
        "timeout client 9s",
    )
    assert [each for each in found.warnings if "backend x" in each]


@pytest.mark.parametrize(
    ("docker", "rancher", "words"),
    [
        (FIRST.replace("80:8080", "42:80"), "", "health check"),
        (FIRST.replace("80:8080", "80-81:80"), "", "not a range"),
        (FIRST.replace("80:8080", "80:80/udp"), "", "protocol"),
        (FIRST.replace("- 80:8080", "- 80:80\n  - 80:81"), "", "there twice"),
        (FIRST.replace("www.example.com:80", "www.example.com:82"), "", "does not listen on 82"),
        (FIRST.replace("www.example.com", "a..b"), "", "no host name"),
        (SECOND, SECOND_MORE.replace("service: web, source_port: 80", "service: nobody, source_port: 80"), "nobody"),
        (SECOND, SECOND_MORE.replace("protocol: tcp", "protocol: sni"), "sni"),
        (SECOND, SECOND_MORE.replace("source_port: 5432, ", ""), "source_port"),
        (
            SECOND,
            SECOND_MORE.replace(
                "protocol: tcp, service: web, source_port: 5432", "protocol: tcp, service: web, source_port: 80"
            ),
            "two protocols",
        ),
        (SECOND, "services: {lb: {lb_config: [x]}}\nversion: '2'", "must be a map"),
        (FIRST, "lb: {load_balancer_config: {lb_cookie_stickiness_policy: {mode: x}}}", "mode"),
    ],
)
def test_what_a_file_says_wrongly_is_refused_with_its_line(docker: str, rancher: str, words: str):
    with pytest.raises(Invalid) as refused:
        parse(docker, rancher, {}, stack_name="s")
    assert words in refused.value.message
    assert "line " in refused.value.message


@pytest.mark.parametrize(("docker", "rancher"), [(FIRST, FIRST_MORE), (FIRST, ""), (SECOND, SECOND_MORE)])
@pytest.mark.parametrize("first_form", [True, False])
def test_what_is_written_reads_back_as_the_same(docker: str, rancher: str, first_form: bool):
    services = parse(docker, rancher, {}, stack_name="s").services
    before = next(each for each in services if each.name == "lb")
    after = _lb(*export(services, "s", first_form=first_form))
    for name in ("rules", "links", "external_links", "options", "default_certificate", "certificates", "scale"):
        assert getattr(after, name) == getattr(before, name), name
    assert (after.config.ports, after.config.expose) == (before.config.ports, before.config.expose)
    again = _lb(*export([*parse(*export(services, "s"), {}, stack_name="s").services], "s"))
    assert again == after or first_form


PORT = st.integers(100, 130)
LISTENERS = st.lists(
    st.builds(Listener, PORT, st.sampled_from(PROTOCOLS), st.booleans(), st.booleans(), PORT),
    max_size=6,
    unique_by=lambda each: each.port,
)


RULES = st.lists(
    st.builds(
        TargetPort,
        st.sampled_from(["", "a.example.com", "*.example.com", "web.*"]),
        st.sampled_from([None, 80, 443]),
        st.sampled_from(["", "/x", "/x/y"]),
        st.sampled_from([None, 81]),
    ).map(str),
    max_size=3,
    unique=True,
)
LINES = st.lists(st.sampled_from(["maxconn 9", "  timeout client 5s", "", "# $x: y", "backend x"]), max_size=3)
CUSTOM = st.builds(CustomText, LINES.map("\n".join), LINES.map("\n".join))
COOKIES = st.one_of(
    st.none(),
    st.builds(CookieStickiness, st.just("C"), st.sampled_from(["insert", "prefix"]), st.sampled_from(["", ".a.com"])),
    st.just(AppCookieStickiness("S", 9, 50, prefix=True)),
)
LINKS = st.lists(st.sampled_from([("web", "again"), ("web", "web"), ("api", "x")]), unique=True)


@settings(max_examples=30, deadline=None)
@given(LINKS, st.lists(RULES, min_size=4, max_size=4), CUSTOM, COOKIES, st.booleans())
def test_any_balancer_reads_back_in_both_forms(
    links: list[tuple[str, str]], rules: list[list[str]], custom: CustomText, cookie: Any, first_form: bool
):
    own = cookie if isinstance(cookie, CookieStickiness) else None
    app = cookie if isinstance(cookie, AppCookieStickiness) else None
    listeners = (Listener(80, target_port=8080), Listener(443, HTTPS, target_port=8443))
    balancer = BalancerSettings(listeners, own, app, "p" if cookie else "", custom)
    external = [("other/db", "db")]
    found = {alias: tuple(each) for (_target, alias), each in zip([*links, *external], rules, strict=False) if each}
    lb = _lb(SECOND)
    written = replace(
        lb,
        options=replace(lb.options, balancer=balancer),
        links=tuple(links),
        external_links=tuple(external),
        rules=found,
        certificates=("c", "d"),
        default_certificate="main",
    )
    others = [each for each in parse(FIRST, FIRST_MORE, {}, stack_name="s").services if each.name != "lb"]
    docker, rancher = export([*others, written], "s", first_form=first_form)
    after = _lb(docker, rancher)
    for name in ("rules", "links", "external_links", "options", "default_certificate", "certificates"):
        assert getattr(after, name) == getattr(written, name), name
    assert export([*others, after], "s", first_form=first_form) == (docker, rancher)


def test_the_label_of_a_target_is_for_the_link_of_that_name_where_there_is_one():
    text = "lb: {image: rancher/load-balancer-service, ports: [80], links: [web, 'web:again'], labels: {L: a.com}}\n"
    text = text.replace("L:", "io.rancher.loadbalancer.target.web:") + "web: {image: bb}\n"
    assert _lb(text).rules == {"web": ("a.com",)}
    assert _lb(text.replace("[web, ", "[")).rules == {"again": ("a.com",)}, "it is the only one to that target"


def test_the_second_form_has_rules_certificates_and_text_in_lb_config():
    services = parse(FIRST, FIRST_MORE, {}, stack_name="s").services
    docker, rancher = (yaml.safe_load(text)["services"]["lb"] for text in export(services, "s"))
    assert docker["image"] == "rancher/lb-service-haproxy"
    assert not any(name.startswith("io.rancher.loadbalancer.target") for name in docker["labels"])
    assert "load_balancer_config" not in rancher
    assert rancher["lb_config"] == {
        "port_rules": [
            {
                "protocol": "http",
                "hostname": "www.example.com",
                "source_port": 80,
                "path": "/shop",
                "target_port": 81,
                "service": "web",
            },
            {"hostname": "*.example.com", "service": "web"},
        ],
        "default_cert": "main",
        "certs": ["other"],
        "stickiness_policy": {
            "name": "p", "cookie": "C", "mode": "insert", "indirect": True, "nocache": False, "postonly": False
        },
        "config": "global\n  maxconn 9\ndefaults\n  timeout client 5s",
    }  # fmt: skip


def test_which_image_a_file_names_for_a_balancer_is_no_difference():
    first, second = _lb(FIRST), _lb(SECOND)
    assert first.config.image == second.config.image


@given(LISTENERS)
def test_any_listeners_read_back(listeners: list[Listener]):
    service = _lb(SECOND)
    settings = BalancerSettings(tuple(sorted(listeners, key=lambda each: (not each.is_public, each.port))))
    options = type(service.options)(kind=service.options.kind, balancer=settings)
    written = ComposeService("lb", service.config, options=options)
    assert _settings(_lb(*export([written], "s"))) == settings
