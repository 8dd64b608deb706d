"""Forms say that something has a port before anything is made, and do it all the same for who accepts that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.control.models import Operation
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from apps.stacks.port_shortage import service_port_shortage
from apps.stacks.services import service_create

HX = {"HX-Request": "true"}
BATCHES = {"batchSize": "1", "interval": "2", "order": "stop-first"}
IN_USE = "port 8080/tcp is in use by squatter (h1)"


def config(*ports: str) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "ports": ports})


@pytest.fixture
def squatter(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> Container:
    """A container that is published on port 8080 of the only host."""
    row = container_create(actor=actor_of("bob"), environment=lab, config=config("8080:80"), name="squatter")
    run_loop()
    return row


def form(**fields: Any) -> dict[str, Any]:
    sent = {"name": "front", "image": "bb:local", "scale": "1", "start": "on", "restart": "always", "check": "none"}
    return {**sent, "portPublic": "8080", "portPrivate": "80", "portProtocol": "tcp", **fields}


@pytest.mark.usefixtures("squatter")
def test_the_service_form_says_who_has_the_port_and_makes_nothing(browser_as: Any, at: Any, shop: Stack) -> None:
    before = Operation.all_objects.count()
    answer = browser_as("bob").post(at("service-new", stack=shop.pk), form(), headers=HX)
    assert (answer.status_code, Service.all_objects.filter(name="front").exists()) == (422, False)
    assert f"No host for it: {IN_USE}." in answer.content.decode()
    assert 'name="awaitPorts"' in answer.content.decode()
    assert Operation.all_objects.count() == before


@pytest.mark.usefixtures("squatter")
@pytest.mark.parametrize("fields", [{"awaitPorts": "on"}, {"portPublic": "8081"}, {"portPublic": ""}, {"start": ""}])
def test_it_is_made_where_that_is_accepted_or_does_not_matter(
    browser_as: Any, at: Any, shop: Stack, fields: dict[str, str]
) -> None:
    browser_as("bob").post(at("service-new", stack=shop.pk), form(**fields), headers=HX)
    assert Service.all_objects.filter(name="front").exists()


@pytest.mark.usefixtures("squatter")
def test_the_container_form_says_so_too(browser_as: Any, at: Any) -> None:
    answer = browser_as("bob").post(at("container-new"), form(), headers=HX)
    assert (answer.status_code, Container.all_objects.filter(name="front").exists()) == (422, False)
    assert IN_USE in answer.content.decode()
    browser_as("bob").post(at("container-new"), form(awaitPorts="on"), headers=HX)
    assert Container.all_objects.filter(name="front").exists()


@pytest.fixture
def front(shop: Stack, squatter: Container, actor_of: Any, run_loop: Callable[[], None]) -> Service:
    """A service on a port that is free, beside one that is not."""
    row = service_create(
        actor=actor_of("bob"), stack=shop, name="front", config=config("9090:80"), scale=1, start_on_create=True
    )
    run_loop()
    row.refresh_from_db()
    return row


def test_an_upgrade_to_a_port_in_use_is_not_begun(browser_as: Any, at: Any, front: Service) -> None:
    answer = browser_as("bob").post(at("service-upgrade", pk=front.pk), form(portPublic="8080", **BATCHES), headers=HX)
    assert answer.status_code == 422
    assert IN_USE in answer.content.decode()
    front.refresh_from_db()
    assert (front.upgrade_phase, front.config.ports[0].public) == ("", 9090)


def test_its_own_port_is_no_conflict_for_an_upgrade(browser_as: Any, at: Any, front: Service) -> None:
    sent = form(portPublic="9090", env="A=1", **BATCHES)
    assert browser_as("bob").post(at("service-upgrade", pk=front.pk), sent, headers=HX).status_code < 400
    front.refresh_from_db()
    assert front.upgrade_phase


def test_a_larger_scale_says_how_many_find_no_host(browser_as: Any, at: Any, front: Service) -> None:
    answer = browser_as("bob").post(at("service-scale", pk=front.pk), {"scale": "3"}, headers=HX)
    assert answer.status_code < 400
    why = "2 of 3 will find no host: a port is published once on each host, and 1 of 1 can take one."
    front.refresh_from_db()
    assert service_port_shortage(front) == why
    assert why in str(answer.headers) + answer.content.decode()
