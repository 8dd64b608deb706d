"""The overview: what it says of environments, what fails first and why, the first steps, and at what cost."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.utils import timezone

from apps.console.overview.summary import summarize
from apps.environments.models import Environment
from apps.hosts.models import Host, StatsHour
from apps.hosts.stats.encoding import encode_points, start_of_hour
from apps.stacks.models import Service
from tests.console.page_costs import fill, queries

SHOWN_POINT = {"memory_limit": 0.0, "net_rx": 0.0, "net_tx": 0.0, "disk_read": 0.0, "disk_write": 0.0}
BROWSER = {"Accept": "text/html", "User-Agent": "Mozilla/5.0"}


@pytest.fixture
def overview(browser_as: Any) -> Any:
    """The page as somebody sees it."""
    return lambda name: browser_as(name).get("/", headers=BROWSER).content.decode()


def test_an_environment_says_how_it_is(overview: Any, lab: Environment, web: Service):
    page = overview("alice")
    card = page[page.index(f'id="environment-{lab.pk}"') :].split("</section>")[0]
    assert "healthy" in card
    assert "<b>2</b> / 2" in card
    assert "<b>1</b> / 1" in card
    assert "Nothing fails" in page
    assert 'id="first-steps"' not in page


def test_what_fails_comes_with_its_reason_and_a_way_there(overview: Any, lab: Environment, web: Service, host: Host):
    Service.all_objects.filter(pk=web.pk).update(fault=True, message="the image cannot be pulled: no such tag")
    page = overview("rita")
    line = page[page.index(f'id="failing-service-{web.pk}"') :].split("</tr>")[0]
    assert "the image cannot be pulled: no such tag" in line
    assert f'href="/env/{lab.pk}/services/{web.pk}"' in line
    assert re.search(r"is-bad[^>]*>.*unhealthy", page[page.index(f'id="environment-{lab.pk}"') :], re.DOTALL)


@pytest.mark.parametrize("health", ["unhealthy", "degraded", "unknown"])
def test_a_health_below_healthy_needs_attention(overview: Any, web: Service, health: str):
    Service.all_objects.filter(pk=web.pk).update(status={"health": health})
    assert f'id="failing-service-{web.pk}"' in overview("alice")


def test_a_service_that_was_stopped_on_purpose_does_not(overview: Any, web: Service):
    Service.all_objects.filter(pk=web.pk).update(desired="inactive", status={"health": "unhealthy"})
    assert f'id="failing-service-{web.pk}"' not in overview("alice")


def test_nobody_sees_other_environments(overview: Any, lab: Environment, web: Service):
    Service.all_objects.filter(pk=web.pk).update(fault=True, message="secret words")
    page = overview("mallory")
    assert "secret words" not in page
    assert f'id="environment-{lab.pk}"' not in page
    assert "You are not a member of any environment yet" in page
    assert f'id="environment-{lab.pk}"' in overview("root")


def test_the_first_steps_stand_there_until_there_is_a_stack(overview: Any, lab: Environment, host: Host, at: Any):
    page = overview("alice")
    steps = page[page.index('id="first-steps"') :].split("</section>")[0]
    assert steps.count("is-done") == 2  # the host, and the lab's other members
    assert f'href="{at("stack-new")}"' in steps
    assert "does not allow it" in overview("rita")


def test_what_hosts_use_is_measured_or_left_out(lab: Environment, host: Host):
    info = {"cpuInfo": {"count": 4}, "memoryInfo": {"memTotal": 8192}}
    Host.all_objects.filter(pk=host.pk).update(info=info)
    capacity = summarize([lab])[0].capacity
    assert (capacity.cpus, capacity.memory, capacity.is_measured) == (4, 8192, False)
    now = timezone.now()
    hour = start_of_hour(now.timestamp())
    point: Any = {"at": now.timestamp(), "cpu": 50.0, "memory": 2048.0 * 1024 * 1024, **SHOWN_POINT}
    StatsHour.objects.create(
        environment=lab, kind="host", target=host.pk, hour=hour, points=encode_points([point], hour)
    )
    capacity = summarize([lab])[0].capacity
    assert (capacity.cpu_percent, capacity.memory_percent, capacity.is_measured) == (50, 25, True)


def test_the_cost_does_not_grow_with_what_is_there(browser_as: Any, lab: Environment, web: Service, host: Host):
    client = browser_as("alice")
    before = queries(client, "/", **BROWSER)
    fill(lab, host, stacks=4, each=3)
    Service.all_objects.filter(stack__name="s1").update(fault=True, message="no")
    assert queries(client, "/", **BROWSER) <= before
    assert before < 30
