"""External services, aliases and services of selected containers in the console."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.service_options import EXTERNAL, ServiceOptions, config_of_kind, parse_target
from apps.stacks.services import service_create


@pytest.fixture
def bob(browser_as: Any) -> Any:
    """The browser of an operator."""
    return browser_as("bob")


def _made(name: str) -> Service:
    found: Service = Service.all_objects.get(name=name)
    return found


def test_an_external_service_is_added_shown_and_led_elsewhere(shop: Stack, at: Any, bob: Any, run_loop: Any):
    assert b"IP addresses" in bob.get(at("external-service-new", stack=shop.pk)).content
    form = {"name": "db", "addresses": "192.0.2.7\r\n192.0.2.8", "hostname": ""}
    assert bob.post(at("external-service-new", stack=shop.pk), form).status_code in {200, 204, 302}
    run_loop()
    row = _made("db")
    assert (row.display_state, row.options.external.addresses) == ("active", ("192.0.2.7", "192.0.2.8"))
    page = bob.get(at("service", pk=row.pk)).content.decode()
    assert "192.0.2.8" in page
    assert "External service" in page
    assert "Scale" not in page
    shown = bob.get(at("stack", pk=shop.pk)).content.decode()
    assert "192.0.2.7, 192.0.2.8" in shown
    assert "External service" in shown
    assert "192.0.2.7" in bob.get(at("service-target", pk=row.pk)).content.decode()
    assert bob.get(at("service-clone", pk=row.pk)).status_code == 404
    bob.post(at("service-target", pk=row.pk), {"addresses": "", "hostname": "db.example.com"})
    assert _made("db").options.external.hostname == "db.example.com"
    assert "Scale" not in bob.get(at("service-edit", pk=row.pk)).content.decode()
    bob.post(at("service-edit", pk=row.pk), {"name": "db", "description": "The old one"})
    assert _made("db").description == "The old one"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": "db"}, "externalIpAddresses"),
        ({"name": "db", "addresses": "x"}, "is no IP address"),
        ({"name": "db", "hostname": "a b"}, "is no host name"),
        ({"name": "db", "addresses": "192.0.2.7", "hostname": "a.b"}, "not both"),
        ({"name": "a b", "hostname": "a.b"}, "letters, digits"),
    ],
)
def test_a_mistake_in_an_external_service_is_shown_in_the_form(
    form: dict[str, str], words: str, shop: Stack, at: Any, bob: Any
):
    answer = bob.post(at("external-service-new", stack=shop.pk), form)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Service.all_objects.filter(stack=shop).exists()


def test_an_alias_is_added_with_its_links_and_changed(web: Service, at: Any, bob: Any, run_loop: Any):
    form = {"name": "any", "linkService": str(web.pk), "linkName": "", "selector": ""}
    assert bob.post(at("service-alias-new", stack=web.stack_id), form).status_code in {200, 204, 302}
    run_loop()
    row = _made("any")
    assert (row.kind, row.display_state) == ("dnsService", "active")
    assert ServiceLink.objects.get(service=row).target == web
    assert "shop/web" in bob.get(at("service", pk=row.pk)).content.decode()
    bob.post(at("service-target", pk=row.pk), {"linkService": "", "linkName": "", "selector": "tier=web"})
    assert (_made("any").selector_link, ServiceLink.objects.filter(service=row).exists()) == ("tier=web", False)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"name": "any"}, "at least one service"),
        ({"name": "any", "selector": "a in b"}, "no operator"),
        ({"name": "any", "linkService": "999999", "linkName": ""}, "no longer exists"),
        ({"name": "web", "selector": "a=b"}, "already"),
    ],
)
def test_a_mistake_in_an_alias_is_shown_and_nothing_is_made(
    form: dict[str, str], words: str, web: Service, at: Any, bob: Any
):
    answer = bob.post(at("service-alias-new", stack=web.stack_id), form)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert Service.all_objects.count() == 1


def test_selected_containers_are_on_the_page(web: Service, at: Any, bob: Any, actor_of: Any, run_loop: Any):
    options = ServiceOptions(selector_container="io.rancher.stack.name=shop")
    config = LaunchConfig.from_wire({"imageUuid": "docker:rancher/none"})
    row = service_create(
        actor=actor_of("alice"), stack=web.stack, name="all", config=config, start_on_create=True, options=options
    )
    run_loop()
    page = bob.get(at("service", pk=row.pk)).content.decode()
    assert "shop_web_1" in page
    assert "shop_web_2" in page


def test_a_service_of_containers_has_no_other_target(web: Service, at: Any, bob: Any):
    assert bob.get(at("service-target", pk=web.pk)).status_code == 404


def test_who_only_reads_adds_nothing(shop: Stack, at: Any, browser_as: Any):
    rita = browser_as("rita")
    for name in ("external-service-new", "service-alias-new"):
        rita.post(at(name, stack=shop.pk), {"name": "x", "hostname": "a.b", "selector": "a=b"})
    assert not Service.all_objects.exists()


def test_the_health_check_of_an_external_service_is_shown_as_what_it_is(
    shop: Stack, at: Any, bob: Any, run_loop: Any, actor_of: Any
):
    """It came with a compose file or over the API, and nobody makes it."""
    target = parse_target(["192.0.2.7"], "", {"port": 8080, "requestLine": "GET /up HTTP/1.0"})
    config = config_of_kind(EXTERNAL, {})
    options = ServiceOptions(kind=EXTERNAL, external=target)
    row = service_create(actor=actor_of("bob"), stack=shop, name="far", config=config, options=options)
    run_loop()
    page = bob.get(at("service", pk=row.pk)).content.decode()
    assert "port 8080" in page
    assert "<code>GET /up HTTP/1.0</code>" in page
    assert "made by up to three hosts" in page


def test_an_external_service_has_a_check_of_its_addresses(shop: Stack, at: Any, bob: Any, run_loop: Any):
    form = {"name": "db", "addresses": "192.0.2.7", "check": "tcp", "checkPort": "5432", "checkEvery": "5"}
    assert bob.post(at("external-service-new", stack=shop.pk), form).status_code < 400
    run_loop()
    row = _made("db")
    check = dict(row.options.external.health_check or {})
    assert (check["port"], check["interval"], check.get("requestLine")) == (5432, 5000, None)
    assert "being checked" in bob.get(at("service", pk=row.pk)).content.decode()
    assert 'value="5432"' in bob.get(at("service-target", pk=row.pk)).content.decode()
    bob.post(at("service-target", pk=row.pk), {"addresses": "192.0.2.8"})
    assert _made("db").options.external.health_check == check
    refused = bob.post(at("service-target", pk=row.pk), {"addresses": "192.0.2.8", "check": "http"})
    assert (refused.status_code, "Enter the port to check" in refused.content.decode()) == (422, True)
    wrong = bob.post(at("service-target", pk=row.pk), {"addresses": "192.0.2.8", "check": "tcp", "checkPort": "0"})
    assert (wrong.status_code, 'class="wrong"' in wrong.content.decode()) == (422, True)
    bob.post(at("service-target", pk=row.pk), {"addresses": "192.0.2.8", "check": "none"})
    assert _made("db").options.external.health_check is None
