"""The pages of containers, services and hosts say as of when their data is."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.console.components.freshness import combined_freshness, freshness_of
from apps.containers.models import Container
from apps.control.reconcile import reconcile_one
from apps.drivers.simulated.engine import SimulatedDriver
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service

NOW = timezone.now().replace(microsecond=0)
CHANGED, OBSERVED = NOW - timedelta(hours=3), NOW - timedelta(seconds=40)


@pytest.fixture
def quiet(web: Service, host: Host) -> None:
    """Nothing has changed for three hours, and the host was observed within the last minute."""
    Container.all_objects.update(observed_at=CHANGED)
    Service.all_objects.update(observed_at=CHANGED)
    Host.all_objects.filter(pk=host.pk).update(seen_at=OBSERVED)


def as_of(text: str) -> tuple[datetime | None, bool]:
    """The "as of" text of a page, and whether the page refreshes itself for it."""
    found = re.search(r'as of\s*<time datetime="([^"]+)" data-ago( data-renew)?', text)
    return (parse_datetime(found[1]), bool(found[2])) if found else (None, False)


def pages(at: Any, container: Container, web: Service) -> list[str]:
    of_box = [at(name, pk=container.pk) for name in ("container", "container-logs", "container-shell")]
    return [*of_box, at("service", pk=web.pk), at("service-activity", pk=web.pk)]


def test_what_runs_quietly_is_as_current_as_the_last_scan_of_its_host(
    quiet: None, browser_as: Any, at: Any, container: Container, web: Service, host: Host
) -> None:
    client = browser_as("alice")
    for url in [*pages(at, container, web), at("host", pk=host.pk)]:
        assert as_of(client.get(url).content.decode()) == (OBSERVED, True), url


@pytest.mark.parametrize("state", ["reconnecting", "disconnected"])
def test_what_stands_on_a_lost_host_stays_as_old_as_the_last_contact(
    state: str, quiet: None, browser_as: Any, at: Any, container: Container, web: Service, host: Host
) -> None:
    Host.all_objects.filter(pk=host.pk).update(state=state, lost_at=NOW, seen_at=CHANGED)
    Container.all_objects.update(observed_at=NOW)  # observed without being there
    client = browser_as("alice")
    for url in [*pages(at, container, web), at("host", pk=host.pk)]:
        assert as_of(client.get(url).content.decode()) == (CHANGED, False), url


def test_a_container_that_was_never_seen_says_nothing(browser_as: Any, at: Any, lab: Environment, host: Host) -> None:
    row = Container.all_objects.create(environment=lab, name="new", desired="running", image="redis:7")
    assert as_of(browser_as("rita").get(at("container", pk=row.pk)).content.decode()) == (None, False)
    Container.all_objects.filter(pk=row.pk).update(host=host)
    Host.all_objects.filter(pk=host.pk).update(lost_at=NOW, state="disconnected")
    assert as_of(browser_as("rita").get(at("container", pk=row.pk)).content.decode()) == (None, False)


def test_a_service_without_containers_says_nothing(browser_as: Any, at: Any, web: Service) -> None:
    Container.all_objects.update(removed=NOW)
    for name in ("service", "service-activity"):
        assert as_of(browser_as("rita").get(at(name, pk=web.pk)).content.decode()) == (None, False)


def test_a_service_is_as_old_as_the_one_seen_longest_ago(
    quiet: None, browser_as: Any, at: Any, container: Container, web: Service, lab: Environment
) -> None:
    lost_host = Host.all_objects.create(
        environment=lab, name="h2", url="sim://gone", desired="active", state="disconnected", observed_generation=1,
        seen_at=CHANGED, lost_at=NOW,
    )  # fmt: skip
    Container.all_objects.filter(pk=container.pk).update(host=lost_host)
    text = browser_as("rita").get(at("service", pk=web.pk)).content.decode()
    assert as_of(text) == (CHANGED, True)
    assert "<b>1</b> of 2" in text  # what a lost host last ran may have ended since


def test_the_list_of_hosts_asks_again_for_those_that_answer(quiet: None, browser_as: Any, at: Any, host: Host) -> None:
    client = browser_as("rita")
    assert "data-renew" in client.get(at("hosts")).content.decode()
    Host.all_objects.filter(pk=host.pk).update(lost_at=NOW)
    assert "data-renew" not in client.get(at("hosts")).content.decode()


def test_a_reconcile_of_the_host_makes_its_containers_current(
    quiet: None,
    browser_as: Any,
    at: Any,
    container: Container,
    host: Host,
    sim: SimulatedDriver,
    run_loop: Callable[[], None],
) -> None:
    Host.all_objects.filter(pk=host.pk).update(seen_at=CHANGED)
    reconcile_one("host", host.pk)
    run_loop()
    when, _again = as_of(browser_as("rita").get(at("container", pk=container.pk)).content.decode())
    assert when is not None
    assert when >= NOW
    container.refresh_from_db()
    assert container.observed_at == CHANGED
    sim.down = True
    reconcile_one("host", host.pk)
    assert as_of(browser_as("rita").get(at("container", pk=container.pk)).content.decode()) == (when, False)


def test_what_is_seen_together_is_none_where_nothing_is() -> None:
    assert combined_freshness([]) == freshness_of(Container())
    assert combined_freshness([Container()]).at is None
    lone = Container(observed_at=OBSERVED)
    assert (combined_freshness([lone, Container()]).at, combined_freshness([lone]).is_live) == (OBSERVED, False)
