"""The pages that ask what the scheduler would do, and the form that limits what may be reserved."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.models import Container
from apps.hosts.models import Host
from apps.stacks.models import Service

MIB = 1024 * 1024


def test_a_service_s_page_says_where_one_more_would_go(browser_as: Any, at: Any, web: Service, host: Host) -> None:
    page = browser_as("rita").get(at("service-what-if", pk=web.pk))
    assert [move.target for move in page.context["outcome"].placed] == [str(host)]
    text = page.content.decode()
    assert "Placed on a host" in text
    assert "it is the only host that fits" in text


def test_an_inactive_service_s_page_says_that_nothing_starts(browser_as: Any, at: Any, web: Service) -> None:
    Service.all_objects.filter(pk=web.pk).update(desired="inactive", display_state="inactive")
    page = browser_as("rita").get(at("service-what-if", pk=web.pk)).content.decode()
    assert "nothing starts before it is activated" in page


@pytest.mark.parametrize("scale", ["many", "-1", "1001", "²"])
def test_a_scale_that_cannot_be_is_refused_on_the_page(browser_as: Any, at: Any, web: Service, scale: str) -> None:
    answer = browser_as("alice").get(at("service-what-if", pk=web.pk), {"scale": scale})
    assert answer.status_code == 422
    assert "scale" in answer.context["error"]


def test_a_host_s_page_says_what_its_loss_would_do(browser_as: Any, at: Any, web: Service, host: Host) -> None:
    text = browser_as("rita").get(at("host-what-if", pk=host.pk)).content.decode()
    assert "Not replaced" in text or "Fits nowhere" in text
    assert "shop_web_1" in text
    assert "–" not in text
    labeled = browser_as("rita").get(at("host-what-if", pk=host.pk), {"addLabels": "gpu=1"}).content.decode()
    assert "Nothing would move" in labeled
    assert browser_as("rita").get(at("host-what-if", pk=host.pk), {"addLabels": "gpu"}).status_code == 422


def test_what_may_be_reserved_is_edited(browser_as: Any, at: Any, host: Host) -> None:
    client, path = browser_as("alice"), at("host-edit", pk=host.pk)
    client.post(path, {"name": host.name, "memory": "512", "cpus": "1.5"})
    host.refresh_from_db()
    assert (host.memory_limit, host.milli_cpu_limit) == (512 * MIB, 1500)
    page = client.get(path).content.decode()
    assert 'name="memory" inputmode="decimal" value="512"' in " ".join(page.split())
    client.post(path, {"name": host.name, "memory": "", "cpus": ""})
    host.refresh_from_db()
    assert (host.memory_limit, host.milli_cpu_limit) == (None, None)


@pytest.mark.parametrize(("field", "typed"), [("memory", "lots"), ("memory", "1"), ("cpus", "-1"), ("cpus", "NaN")])
def test_a_limit_that_is_none_is_refused_at_its_field(
    browser_as: Any, at: Any, host: Host, field: str, typed: str
) -> None:
    answer = browser_as("alice").post(at("host-edit", pk=host.pk), {"name": host.name, field: typed})
    assert answer.status_code == 422
    assert set(answer.context["errors"]) == {{"memory": "memory", "cpus": "milliCpu"}[field]}
    assert typed in answer.content.decode()


def test_a_service_s_page_says_why_each_container_is_where_it_is(browser_as: Any, at: Any, web: Service) -> None:
    page = browser_as("rita").get(at("service", pk=web.pk))
    assert [(line.container.name, line.reasons) for line in page.context["placement_lines"]] == [
        (f"shop_web_{number}", ("it is the only host that fits",)) for number in (1, 2)
    ]
    assert "it is the only host that fits" in page.content.decode()


def test_a_container_without_a_host_has_the_reasons_against_each(browser_as: Any, at: Any, web: Service) -> None:
    waiting = Container.all_objects.get(name="shop_web_1")
    trace = [{"verdict": "refused", "reasons": ["port 80/tcp is in use"], "hosts": ["h1", "h2"], "count": 2}]
    Container.all_objects.filter(pk=waiting.pk).update(host=None, placement=trace)
    lines = browser_as("rita").get(at("service", pk=web.pk)).context["placement_lines"]
    assert lines[0].reasons == ("port 80/tcp is in use (h1, h2)",)
