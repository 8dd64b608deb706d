"""The traffic on a balancer's page: for members, from one reading for all of them, with what went wrong."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.models import Setting
from apps.drivers.base import EngineError
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.balancer import haproxy, traffic
from apps.stacks.balancer.config import Listener
from apps.stacks.balancer.launch import IMAGE_SETTING, config_of_balancer
from apps.stacks.balancer.process import HaproxyProcess, parse_process
from apps.stacks.balancer.settings import BalancerSettings
from apps.stacks.models import Service, ServiceLink
from apps.stacks.service_options import BALANCER, ServiceOptions
from apps.stacks.services import service_create, stack_create
from tests.stacks.balancer.haproxy_output import SAID


@pytest.fixture
def balancer(lab: Environment, host: Host, actor_of: Any, run_loop: Any, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A running balancer that leads to itself, in a stack."""
    del host
    monkeypatch.setattr(traffic, "_kept", type(traffic._kept)())
    Setting.objects.create(name=IMAGE_SETTING, value="bb:local")
    stack = stack_create(actor=actor_of("bob"), environment=lab, name="shop")
    options = ServiceOptions(BALANCER, balancer=BalancerSettings((Listener(80),)))
    config = config_of_balancer({"ports": ["80"]}, "launchConfig.")
    row = service_create(
        actor=actor_of("bob"), stack=stack, name="lb", config=config, options=options, start_on_create=True
    )
    ServiceLink.objects.create(service=row, target=row, name="lb")
    run_loop()
    return Service.all_objects.get(pk=row.pk)


def test_it_is_read_once_for_all(balancer: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    readings: list[str] = []

    def read(_engine: Any, container: str) -> HaproxyProcess:
        readings.append(container)
        return parse_process(SAID.replace("http-b", "http-80"))

    monkeypatch.setattr(haproxy, "read_process", read)
    first, second = traffic.traffic_of(balancer), traffic.traffic_of(balancer)
    assert first is second
    assert traffic.last_traffic(balancer) is first
    assert len(readings) == 1
    assert [(each.port, each.requests, each.open) for each in first.rules] == [(80, 11, 7)]


def test_a_host_that_does_not_answer_is_said(balancer: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> HaproxyProcess:
        raise EngineError("HAProxy does not answer: no reason given")

    monkeypatch.setattr(haproxy, "read_process", fail)
    assert traffic.traffic_of(balancer).problems == ("HAProxy does not answer: no reason given",)


def test_members_see_it_and_other_services_have_none(
    balancer: Service, browser_as: Any, at: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(haproxy, "read_process", lambda *_: parse_process(SAID.replace("http-b", "http-80")))
    bob = browser_as("bob")
    assert at("balancer-traffic", pk=balancer.pk) in bob.get(at("service", pk=balancer.pk)).content.decode()
    shown = bob.get(at("balancer-traffic", pk=balancer.pk), headers={"HX-Request": "true"}).content.decode()
    assert "<td>11</td>" in shown
    assert "30 ms" in shown
    assert browser_as("mallory").get(at("balancer-traffic", pk=balancer.pk)).status_code in {302, 404}
    Service.all_objects.filter(pk=balancer.pk).update(kind="service")
    assert bob.get(at("balancer-traffic", pk=balancer.pk)).status_code == 404
