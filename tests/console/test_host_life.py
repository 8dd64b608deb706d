"""Evacuating hosts and the lost-host policy in the console."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.containers.launch.config import LaunchConfig
from apps.containers.services import container_create
from apps.control.reconcile import reconcile_one
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.hosts.services import host_create, host_drain
from apps.stacks.models import Service

BrowserAs = Callable[[str], Client]


def _at(host: Host, name: str) -> str:
    return reverse(f"console:{name}", kwargs={"environment": host.environment_id, "pk": host.pk})


def _page(client: Client, url: str) -> str:
    return client.get(url).content.decode()


@pytest.fixture
def keeper(lab: Environment, host: Host, actor_of: Any, run_loop: Callable[[], None]) -> None:
    """A container without a service, on the only host of the lab."""
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})
    container_create(actor=actor_of("alice"), environment=lab, config=config, name="keeps-data")
    run_loop()


def test_the_dialog_tells_what_moves_and_what_stays(
    web: Service, keeper: None, host: Host, browser_as: BrowserAs
) -> None:
    text = _page(browser_as("bob"), _at(host, "host-evacuate"))
    moves, stays = text.split("These will stay")
    assert "shop_web_1" in moves
    assert "keeps-data" in stays
    assert "keeps-data" not in moves


def test_the_only_host_says_that_there_is_nowhere_to_go(
    web: Service, host: Host, lab: Environment, browser_as: BrowserAs, actor_of: Any, run_loop: Any
) -> None:
    assert "nowhere to go" in _page(browser_as("bob"), _at(host, "host-evacuate"))
    host_create(actor=actor_of("root"), environment=lab, url="sim://other", name="other")
    run_loop()
    assert "nowhere to go" not in _page(browser_as("bob"), _at(host, "host-evacuate"))


def test_an_empty_host_has_nothing_to_move(host: Host, browser_as: BrowserAs) -> None:
    text = _page(browser_as("alice"), _at(host, "host-evacuate"))
    assert "nothing has to move" in text
    assert "These will stay" not in text


@pytest.mark.parametrize(("sent", "stops"), [({}, False), ({"stop": "on"}, True)])
def test_it_begins_when_asked(sent: dict[str, str], stops: bool, host: Host, browser_as: BrowserAs) -> None:
    answer = browser_as("bob").post(_at(host, "host-evacuate"), sent, headers={"HX-Request": "true"})
    host.refresh_from_db()
    assert (answer.status_code, host.display_state, host.drain["stopStandalone"]) == (204, "evacuating", stops)


@pytest.mark.parametrize("who", ["rex", "rita"])
def test_others_may_not_and_see_why(who: str, host: Host, browser_as: BrowserAs) -> None:
    client = browser_as(who)
    assert "may not do this" in _page(client, _at(host, "host-evacuate"))
    assert client.post(_at(host, "host-evacuate"), headers={"HX-Request": "true"}).status_code == 403
    host.refresh_from_db()
    assert host.display_state == "active"


def test_a_non_member_finds_no_such_host(host: Host, browser_as: BrowserAs) -> None:
    assert browser_as("mallory").get(_at(host, "host-evacuate")).status_code == 404


def test_the_hosts_page_shows_how_far_it_is_and_how_to_end_it(
    web: Service, keeper: None, host: Host, browser_as: BrowserAs, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    host_drain(host, actor=actor_of("alice"))
    run_loop()
    Host.all_objects.update(next_attempt_at=timezone.now())
    run_loop()
    text = _page(browser_as("alice"), _at(host, "host"))
    assert "0 of 2 containers have moved" in text
    assert "Will stay: keeps-data" in text
    assert "the host is evacuating" in text  # the scheduler's reason
    for action in ("activate", "deactivate"):
        assert (
            reverse("console:host-do", kwargs={"environment": host.environment_id, "pk": host.pk, "action": action})
            in text
        )


def test_an_evacuated_host_says_so(
    host: Host, browser_as: BrowserAs, actor_of: Any, run_loop: Callable[[], None]
) -> None:
    host_drain(host, actor=actor_of("alice"))
    run_loop()
    assert "Evacuated: no containers are left on this host." in _page(browser_as("rita"), _at(host, "host"))


def test_the_service_page_tells_of_a_lost_host(
    web: Service, host: Host, sim: SimulatedDriver, browser_as: BrowserAs
) -> None:
    url = reverse("console:service", kwargs={"environment": web.environment_id, "pk": web.pk})
    assert "last contact" not in _page(browser_as("alice"), url)
    sim.down = True
    reconcile_one("host", host.pk)
    text = _page(browser_as("alice"), url)
    assert "is lost; last contact" in text
    assert "This service waits for the host." in text
    Service.all_objects.update(lost_after=600)
    text = _page(browser_as("alice"), url)
    assert "data-ahead" in text
    assert "elsewhere after 600 s" in text


@pytest.mark.parametrize(
    ("sent", "after"),
    [
        ({"lost_policy": "reschedule", "lost_seconds": "90"}, 90),
        ({"lost_policy": "wait", "lost_seconds": "90"}, None),
        ({}, None),
    ],
)
def test_the_policy_is_edited(sent: dict[str, str], after: int | None, web: Service, browser_as: BrowserAs) -> None:
    url = reverse("console:service-edit", kwargs={"environment": web.environment_id, "pk": web.pk})
    form = {"name": "web", "scale": "2", **sent}
    assert browser_as("bob").post(url, form, headers={"HX-Request": "true"}).status_code == 204
    web.refresh_from_db()
    assert web.lost_after == after


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ({"lost_policy": "reschedule", "lost_seconds": "5"}, "at least 10 seconds"),
        ({"lost_policy": "reschedule", "lost_seconds": "soon"}, "whole number"),
        ({"lost_policy": "never"}, "wait or reschedule"),
    ],
)
def test_a_bad_policy_is_reported_in_the_form(
    sent: dict[str, str], message: str, web: Service, browser_as: BrowserAs
) -> None:
    url = reverse("console:service-edit", kwargs={"environment": web.environment_id, "pk": web.pk})
    answer = browser_as("bob").post(url, {"name": "web", "scale": "2", **sent}, headers={"HX-Request": "true"})
    assert (answer.status_code, message in answer.content.decode()) == (422, True)
    web.refresh_from_db()
    assert web.lost_after is None
