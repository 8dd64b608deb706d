"""Forms say that something has a port before anything is made, and do it all the same for who accepts that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.containers.launch.config import LaunchConfig
from apps.containers.models import Container
from apps.containers.services import container_create
from apps.control.models import Operation
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.compose import parse
from apps.stacks.models import Service, Stack
from apps.stacks.port_shortage import compose_port_shortage, service_port_shortage
from apps.stacks.services import service_create
from apps.stacks.stack_draft import StackFiles
from apps.stacks.stack_upgrade import preview_upgrade

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


def changed_scale(**fields: str) -> dict[str, str]:
    return {"name": "front", "description": "", "scale": "2", "lost": "wait", **fields}


def test_the_edit_form_says_so_before_anything_is_saved(browser_as: Any, at: Any, front: Service) -> None:
    page = browser_as("bob").post(at("service-edit", pk=front.pk), changed_scale(), headers=HX)
    assert page.status_code == 422
    assert "1 of 2 will find no host: a port is published once on each host" in page.content.decode()
    assert 'name="awaitPorts"' in page.content.decode()
    front.refresh_from_db()
    assert front.scale == 1
    sent = changed_scale(awaitPorts="on")
    assert browser_as("bob").post(at("service-edit", pk=front.pk), sent, headers=HX).status_code < 400
    front.refresh_from_db()
    assert front.scale == 2


FILE = """
services:
  web:
    image: bb:local
    ports: ["8080:80"]
  quiet:
    image: bb:local
"""
TWICE = """
services:
  one:
    image: bb:local
    ports: ["7070:80"]
  two:
    image: bb:local
    ports: ["7070:80"]
"""
BALANCER = """
lb:
  image: rancher/load-balancer-service
  ports: ["8080:80"]
  links: [web]
web:
  image: bb:local
"""


@pytest.mark.usefixtures("squatter")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FILE, f"web: No host for it: {IN_USE}."),
        (TWICE, "port 7070/tcp is published by one and two, 2 containers in all, and 1 can take one"),
        (BALANCER, f"lb: No host for it: {IN_USE}."),
    ],
)
def test_a_compose_file_says_so_in_its_preview_and_when_it_is_sent(
    browser_as: Any, at: Any, text: str, words: str
) -> None:
    client = browser_as("bob")
    assert words in client.post(at("stack-check"), {"dockerCompose": text}, headers=HX).content.decode()
    sent = {"name": "filed", "dockerCompose": text, "start": "on"}
    answer = client.post(at("stack-new"), sent, headers=HX)
    assert (answer.status_code, Stack.all_objects.filter(name="filed").exists()) == (422, False)
    assert words in answer.content.decode()
    assert client.post(at("stack-new"), {**sent, "awaitPorts": "on"}, headers=HX).status_code < 400
    assert Stack.all_objects.filter(name="filed").exists()


@pytest.mark.usefixtures("squatter")
def test_a_file_that_starts_nothing_or_publishes_elsewhere_is_no_conflict(browser_as: Any, at: Any) -> None:
    client, free = browser_as("bob"), FILE.replace("8080:80", "8090:80")
    assert (
        "will find no host" not in client.post(at("stack-check"), {"dockerCompose": free}, headers=HX).content.decode()
    )
    assert (
        client.post(at("stack-new"), {"name": "a", "dockerCompose": free, "start": "on"}, headers=HX).status_code < 400
    )
    assert client.post(at("stack-new"), {"name": "b", "dockerCompose": FILE}, headers=HX).status_code < 400


def test_many_services_of_a_file_take_no_more_queries_than_a_few(
    lab: Environment, squatter: Container, django_assert_num_queries: Any
) -> None:
    def parsed(count: int) -> Any:
        each = "".join(f"  s{i}:\n    image: bb:local\n    ports: ['{9000 + i}:80']\n" for i in range(count))
        return parse(f"services:\n{each}", "", {}, stack_name="x")

    with CaptureQueriesContext(connection) as few:
        compose_port_shortage(lab, parsed(2))
    with django_assert_num_queries(len(few)):
        assert compose_port_shortage(lab, parsed(50)) == ()


def test_the_upgrade_of_a_stack_says_so_in_its_preview(browser_as: Any, at: Any, actor_of: Any, front: Service) -> None:
    def preview(*ports: str) -> Any:
        listed = ", ".join(f'"{each}"' for each in ports)
        files = StackFiles(docker_compose=f"services:\n  front:\n    image: bb:local\n    ports: [{listed}]\n")
        return preview_upgrade(front.stack, files, actor=actor_of("bob"))

    assert [each for each in preview("8080:80").warnings if "front:" in each] == [f"front: No host for it: {IN_USE}."]
    assert not any("host" in each for each in preview("9090:81").warnings)  # its own port is no conflict
    text = "services:\n  front:\n    image: bb:local\n    ports: ['8080:80']\n"
    sent = {"step": "preview", "dockerCompose": text}
    page = browser_as("bob").post(at("stack-upgrade", pk=front.stack_id), sent, headers=HX).content.decode()
    assert IN_USE in page


def balancer_form(web: Service, port: str, **more: str) -> dict[str, str]:
    listener = {"listenerPort": port, "listenerProtocol": "http", "listenerTarget": "80", "listenerAccess": "public"}
    target = {"targetService": str(web.pk), "targetHost": "", "targetSource": "", "targetPath": "", "targetPort": ""}
    sent = {"name": "lb", "scale": "1", "start": "on", "stickiness": "none", "listenerProxy": ""}
    return {**sent, **listener, **target, **more}


def test_the_balancer_form_says_so_when_one_is_added_and_changed(
    browser_as: Any, at: Any, front: Service, run_loop: Callable[[], None]
) -> None:
    client = browser_as("bob")
    answer = client.post(at("balancer-new", stack=front.stack_id), balancer_form(front, "8080"), headers=HX)
    assert (answer.status_code, Service.all_objects.filter(name="lb").exists()) == (422, False)
    assert IN_USE in answer.content.decode()
    sent = balancer_form(front, "7070")
    assert client.post(at("balancer-new", stack=front.stack_id), sent, headers=HX).status_code < 400
    run_loop()
    lb = Service.all_objects.get(name="lb")
    answer = client.post(at("balancer-edit", pk=lb.pk), balancer_form(front, "8080"), headers=HX)
    assert answer.status_code == 422
    assert IN_USE in answer.content.decode()
    lb.refresh_from_db()
    assert [each.port for each in lb.balancer_settings.listeners] == [7070]
    assert client.post(at("balancer-edit", pk=lb.pk), sent, headers=HX).status_code < 400  # its own port
    assert (
        client.post(
            at("balancer-edit", pk=lb.pk), balancer_form(front, "8080", awaitPorts="on"), headers=HX
        ).status_code
        < 400
    )
