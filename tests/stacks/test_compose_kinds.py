"""External services, aliases and selectors in compose files: read, refused, and written as they are read."""

from __future__ import annotations

from typing import Any

import pytest

from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.stacks.compose import export, parse
from apps.stacks.models import Service, ServiceLink
from apps.stacks.selectors import stack_export
from apps.stacks.services import stack_create

DOCKER = """
db:
  image: rancher/external-service
  labels: {team: data}
cache:
  image: rancher/external-service:v1
both:
  image: rancher/dns-service
  links: ['db:db', 'cache:memory']
  external_links: ['base/pg:pg']
group:
  image: rancher/none
  labels:
    io.rancher.service.selector.container: tier in (db, cache)
web:
  image: nginx
  links: ['both:data']
  labels:
    io.rancher.service.selector.link: web=true, !old
"""
RANCHER = """
db:
  hostname: db.example.com
  health_check: {port: 5432, interval: 1000}
cache:
  external_ips: [192.0.2.7, '2001:db8::7']
  metadata: {note: 1}
web: {scale: 2, retain_ip: true}
"""


def test_every_kind_is_read():
    found = {each.name: each for each in parse(DOCKER, RANCHER).services}
    kinds = {name: each.options.kind for name, each in found.items()}
    assert kinds == {
        "db": "externalService",
        "cache": "externalService",
        "both": "dnsService",
        "group": "service",
        "web": "service",
    }
    assert found["db"].options.external.hostname == "db.example.com"
    assert (found["db"].options.external.health_check or {})["port"] == 5432
    assert found["cache"].options.external.addresses == ("192.0.2.7", "2001:db8::7")
    assert found["both"].links == (("db", "db"), ("cache", "memory"))
    assert found["both"].external_links == (("base/pg", "pg"),)
    assert found["group"].options.selector_container == "tier in (db, cache)"
    assert found["web"].options.selector_link == "web=true, !old"
    assert found["web"].options.address_settings == {"retainIp": True}
    assert not any(each.warnings for each in found.values())


@pytest.mark.parametrize("first_form", [True, False])
def test_what_is_written_reads_back_the_same(first_form: bool):
    services = parse(DOCKER, RANCHER).services
    assert parse(*export(services, first_form=first_form)).services == services


def test_a_type_needs_no_image():
    parts = "db: {type: externalService, external_ips: [192.0.2.7]}\nboth: {type: dnsService}"
    found = parse("db: {}\nboth: {image: busybox, links: [db]}", parts).services
    assert [each.options.kind for each in found] == ["externalService", "dnsService"]
    assert parse(*export(found)).services == found


@pytest.mark.parametrize(
    ("docker", "rancher", "line", "words"),
    [
        ("image: rancher/external-service", "", 2, "`external_ips` or `hostname`"),
        ("image: rancher/external-service", "external_ips: [a.b]", 2, "no IP address"),
        ("image: rancher/external-service", "external_ips: {a: b}", 2, "external_ips"),
        ("image: rancher/external-service", "external_ips: [192.0.2.7]\n  hostname: a.b", 3, "not both"),
        ("image: rancher/external-service", "hostname: a b", 2, "no host name"),
        ("image: rancher/external-service", "hostname: a.b\n  health_check: {interval: 1}", 3, "port"),
        ("image: nginx", "type: virtualMachine", 2, "no type"),
        ("image: nginx\n  labels: {io.rancher.service.selector.link: 'a in b'}", "", 2, "no operator"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(docker: str, rancher: str, line: int, words: str):
    with pytest.raises(Invalid, match=words) as caught:
        parse(f"db:\n  {docker}", rancher and f"db:\n  {rancher}")
    assert f"ine {line if rancher else 1}" in caught.value.message


def test_addresses_of_an_ordinary_service_are_not_dropped_in_silence():
    (found,) = parse("web: {image: nginx}", "web: {external_ips: [192.0.2.7]}").services
    assert any("external_ips" in text for text in found.warnings)


def test_a_stack_of_all_kinds_comes_out_as_it_went_in(lab: Environment, actor_of: Any):
    alice = actor_of("alice")
    stack_create(actor=alice, environment=lab, name="base", docker_compose="pg: {image: postgres}")
    stack = stack_create(
        actor=alice, environment=lab, name="shop", docker_compose=DOCKER, rancher_compose=RANCHER, start_on_create=True
    )
    reconcile_until_idle()
    made = {row.name: row for row in Service.all_objects.filter(stack=stack)}
    assert {name: row.kind for name, row in made.items()}["both"] == "dnsService"
    assert made["db"].display_state == made["both"].display_state == "active"
    links = ServiceLink.objects.filter(service=made["both"]).values_list("name", flat=True)
    assert set(links) == {"db", "memory", "pg"}
    again = {each.name: each for each in parse(*stack_export(alice, stack)).services}
    assert again == {each.name: each for each in parse(DOCKER, RANCHER).services}
