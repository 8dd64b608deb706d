"""Balancers in compose files of both forms: read, refused with the line, and written so that they read back alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import Invalid
from apps.stacks.balancer.config import HTTPS, PROTOCOLS, TCP, Listener
from apps.stacks.balancer.settings import BalancerSettings
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


@given(LISTENERS)
def test_any_listeners_read_back(listeners: list[Listener]):
    service = _lb(SECOND)
    settings = BalancerSettings(tuple(sorted(listeners, key=lambda each: (not each.is_public, each.port))))
    options = type(service.options)(kind=service.options.kind, balancer=settings)
    written = ComposeService("lb", service.config, options=options)
    assert _settings(_lb(*export([written], "s"))) == settings
