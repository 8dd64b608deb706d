"""Balancers in the console: added, shown with their rules, and changed while they run."""

from __future__ import annotations

from typing import Any

import pytest

from apps.stacks.balancer.selectors import balancer_config
from apps.stacks.models import Service, ServiceLink, Stack


@pytest.fixture
def bob(browser_as: Any) -> Any:
    """The browser of an operator."""
    return browser_as("bob")


def _listener(port: str = "80", protocol: str = "http", target: str = "8080", access: str = "public") -> dict[str, str]:
    return {
        "listenerPort": port,
        "listenerProtocol": protocol,
        "listenerTarget": target,
        "listenerAccess": access,
        "listenerProxy": "",
    }


def _target(service: Service, host: str = "", path: str = "", source: str = "", port: str = "") -> dict[str, str]:
    return {
        "targetService": str(service.pk),
        "targetHost": host,
        "targetSource": source,
        "targetPath": path,
        "targetPort": port,
    }


def _form(listeners: list[dict[str, str]], targets: list[dict[str, str]], **more: str) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for each in (*listeners, *targets):
        for name, value in each.items():
            rows.setdefault(name, []).append(value)
    return {"name": "lb", "scale": "1", "start": "on", "stickiness": "none", **rows, **more}


def _made() -> Service:
    found: Service = Service.all_objects.get(name="lb")
    return found


@pytest.fixture
def lb(web: Service, at: Any, bob: Any) -> Service:
    """A balancer with one rule for a host."""
    form = _form([_listener()], [_target(web, "shop.example.com")])
    assert bob.post(at("balancer-new", stack=web.stack_id), form).status_code in {200, 204, 302}
    return _made()


def test_a_balancer_is_added_and_shown_with_its_rules_in_order(web: Service, at: Any, bob: Any):
    page = bob.get(at("balancer-new", stack=web.stack_id)).content.decode()
    assert "shop/web" in page
    targets = [_target(web), _target(web, "a.example.com", "shop", "80", "99"), _target(web, "*.example.com")]
    form = _form([_listener(), _listener("81", "tcp", "", "internal")], targets, cookie="C", stickiness="own")
    assert bob.post(at("balancer-new", stack=web.stack_id), form).status_code in {200, 204, 302}
    row = _made()
    assert ServiceLink.objects.get(service=row).ports == ["*", "a.example.com:80/shop=99", "*.example.com"]
    config = balancer_config(row)
    assert [(each.port, each.level) for each in config.rules] == [(80, 1), (80, 4), (80, 6), (81, 6)]
    assert config.cookie is not None
    shown = bob.get(at("service", pk=row.pk)).content.decode()
    assert "a.example.com" in shown
    assert "answered with 503" not in shown
    assert bob.get(at("stack", pk=row.stack_id)).status_code == 200


def test_the_edit_form_says_where_everything_else_is_changed(lb: Service, web: Service, at: Any, bob: Any):
    assert "“Change rules”" in bob.get(at("service-edit", pk=lb.pk)).content.decode()
    other = bob.get(at("service-edit", pk=web.pk)).content.decode()
    assert "changed by an upgrade" in other
    assert "Change rules" not in other


def test_a_change_of_rules_replaces_nothing_and_another_port_upgrades(lb: Service, web: Service, at: Any, bob: Any):
    page = bob.get(at("balancer-edit", pk=lb.pk)).content.decode()
    assert 'value="shop.example.com"' in page
    assert "answered with 503" in page
    form = _form([_listener(target="9090")], [_target(web)], customGlobal="maxconn 9")
    assert bob.post(at("balancer-edit", pk=lb.pk), form).status_code in {200, 204, 302}
    row = _made()
    assert (row.revision, row.current_version, row.upgrade_phase) == (2, 1, "")
    assert row.balancer_settings.listeners[0].target_port == 9090
    assert row.balancer_settings.custom.global_lines == "maxconn 9"
    assert ServiceLink.objects.get(service=row).ports == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"listenerPort": "42"}, "health check"),
        ({"listenerPort": "0"}, "from 1 to 65535"),
        ({"listenerPort": ""}, "from 1 to 65535"),
        ({"listenerPort": "", "listenerTarget": ""}, "at least one port"),
        ({"listenerProtocol": "udp"}, "protocol"),
        ({"listenerProtocol": "https"}, "certificate"),
        ({"listenerProtocol": "tcp"}, "hosts and paths"),
        ({"targetService": ""}, "service"),
        ({"targetService": "999999"}, "no longer exists"),
        ({"targetHost": "a..b"}, "no host name"),
        ({"targetPath": "a b"}, "no path"),
        ({"targetSource": "81"}, "does not listen on 81"),
        ({"stickiness": "own", "cookie": "a b"}, "use letters"),
        ({"name": "a b"}, "letters, digits"),
    ],
)
def test_a_mistake_is_shown_in_the_form(changes: dict[str, str], words: str, web: Service, at: Any, bob: Any):
    form = {**_form([_listener()], [_target(web, "shop.example.com")]), **changes}
    answer = bob.post(at("balancer-new", stack=web.stack_id), form)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Service.all_objects.filter(name="lb").exists()


def test_other_services_have_no_such_page(web: Service, lb: Service, at: Any, bob: Any):
    assert bob.get(at("balancer-edit", pk=web.pk)).status_code == 404
    assert bob.get(at("service-upgrade", pk=lb.pk)).status_code == 404
    assert bob.get(at("service-clone", pk=lb.pk)).status_code == 404


def test_a_removal_says_which_balancer_loses_a_target(lb: Service, web: Service, at: Any, bob: Any):
    assert "shop/lb" in bob.get(at("service-remove", pk=web.pk)).content.decode()


def test_an_empty_stack_still_offers_a_balancer(shop: Stack, at: Any, bob: Any):
    answer = bob.post(at("balancer-new", stack=shop.pk), _form([_listener()], []))
    assert answer.status_code == 422
    assert "at least one target" in answer.content.decode()


def _edit(row: Service, targets: list[dict[str, str]], at: Any, bob: Any, **more: str) -> Service:
    form = _form([_listener()], targets, **more)
    assert bob.post(at("balancer-edit", pk=row.pk), form).status_code in {200, 204, 302}
    return _made()


def test_each_change_is_a_revision_whose_rules_settings_and_selector_come_back(
    lb: Service, web: Service, at: Any, bob: Any, run_loop: Any
):
    run_loop()
    row = _edit(lb, [_target(web, "shop.example.com"), _target(web, path="api")], at, bob)
    run_loop()
    row = _edit(row, [_target(web)], at, bob, customGlobal="maxconn 9\nstats auth me:hunter2", selector="tier=web")
    run_loop()
    assert row.revision == 3
    page = bob.get(at("service-revisions", pk=row.pk)).content.decode()
    assert "haproxy.cfg global" in page
    assert "shop.example.com" in page
    assert "hunter2" not in page
    page = bob.get(at("service-return", pk=row.pk, number=1)).content.decode()
    assert "shop.example.com" in page
    assert "while it runs" in page
    assert bob.post(at("service-return", pk=row.pk, number=1)).status_code == 302
    run_loop()
    row = _made()
    assert (row.revision, row.current_version, row.selector_link) == (4, 1, "")
    assert row.balancer_settings.custom.global_lines == ""
    assert ServiceLink.objects.get(service=row).ports == ["shop.example.com"]
    assert bob.post(at("service-return", pk=row.pk, number=3)).status_code == 302
    assert (_made().selector_link, _made().balancer_settings.custom.global_lines[:9]) == ("tier=web", "maxconn 9")


def test_a_form_that_is_sent_unchanged_is_no_revision(lb: Service, web: Service, at: Any, bob: Any, run_loop: Any):
    run_loop()
    assert _edit(lb, [_target(web, "shop.example.com")], at, bob).revision == 1


def test_other_labels_replace_its_containers_and_the_page_says_so_before(lb: Service, web: Service, at: Any, bob: Any):
    targets = [_target(web, "shop.example.com")]
    page = bob.get(at("balancer-edit", pk=lb.pk)).content.decode()
    assert "Other labels replace its containers" in page
    row = _edit(lb, targets, at, bob, labels="")
    assert (row.revision, row.upgrade_phase) == (1, "")
    label = "io.rancher.scheduler.affinity:host_label"
    form = _form([_listener()], targets, labels="no equals sign")
    answer = bob.post(at("balancer-edit", pk=lb.pk), form)
    assert answer.status_code == 422
    assert "no equals sign" in answer.content.decode()
    Service.all_objects.filter(pk=row.pk).update(state="active", observed_generation=row.generation)
    row = _edit(row, targets, at, bob, labels=f"{label}=edge=true")
    assert (row.revision, row.upgrade_phase) == (2, "upgrading")
    assert row.config.labels[label] == "edge=true"
    assert [each.private for each in row.config.ports] == [80]
    assert f"{label}=edge=true" in bob.get(at("balancer-edit", pk=lb.pk)).content.decode()


def test_beside_the_form_stands_which_request_goes_where(web: Service, at: Any, bob: Any):
    def preview(*targets: dict[str, str], protocol: str = "http", **more: str) -> str:
        listeners = [_listener(protocol=protocol), _listener("8443", "tcp", "", "internal")]
        answer = bob.post(at("balancer-preview"), _form(listeners, list(targets), **more))
        assert answer.status_code == 200
        return str(answer.content.decode())

    shown = preview(_target(web, path="api", port="99"), _target(web, "a.example.com"))
    assert shown.index("http://a.example.com") < shown.index("http://*/api")
    assert "shop/web:99" in shown
    assert "shop/web:8080" in shown
    assert "what else comes is answered with 503" in shown
    assert "tcp://*:8443" not in shown  # hosts and paths are for http only
    assert "connections are closed" in shown
    assert "503" not in preview(_target(web))
    assert "every request is answered with 503" in preview()
    assert "the services that the selector finds" in preview(selector="tier=web")
    assert "no host name" in preview(_target(web, "a..b"))
    assert "choose the certificate" in preview(_target(web), protocol="https")
    assert not Service.all_objects.filter(name="lb").exists()


def test_readers_get_no_preview(at: Any, browser_as: Any):
    assert (
        browser_as("rita").post(at("balancer-preview"), _form([_listener()], []), HTTP_HX_REQUEST="true").status_code
        == 403
    )
