"""Lists: filters, sorting with failed rows first, a hundred rows a page."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import reverse

from apps.console.components.listing import PAGE_SIZE, paginate, query_filters
from apps.console.components.state_badges import badge_of, tone
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack


@pytest.fixture
def many(lab: Environment, host: Host) -> list[Container]:
    """250 containers as the loop would have left them: two have failed."""
    rows = [
        Container(
            environment=lab,
            name=f"c{number:03}",
            image="redis:7" if number % 2 else "nginx:alpine",
            desired="running",
            state="error" if number in {40, 200} else "stopped" if number == 7 else "running",
            observed_generation=1,
            host=host,
            address=f"10.42.0.{number % 250}",
        )
        for number in range(250)
    ]
    Container.all_objects.bulk_create(rows)
    return rows


def names(answer: Any) -> list[str]:
    return [row.name for row in answer.context["page"].rows]


def test_a_page_holds_a_hundred_the_bad_ones_first(browser_as: Any, at: Any, many: Any):
    answer = browser_as("rita").get(at("containers"))
    assert len(names(answer)) == PAGE_SIZE
    assert names(answer)[:4] == ["c040", "c200", "c007", "c000"]
    assert "1–100 of 250" in answer.content.decode()


def test_pages_follow_one_another_and_end(browser_as: Any, at: Any, many: Any):
    client = browser_as("rita")
    last = client.get(at("containers") + "?page=3")
    assert (len(names(last)), last.context["page"].next_page) == (50, 0)
    assert names(client.get(at("containers") + "?page=99")) == names(last)


@pytest.mark.parametrize("page", ["0", "-1", "x", "²", "9" * 40, ""])
def test_a_page_that_is_none_is_the_first_or_the_last(browser_as: Any, at: Any, many: Any, page: str):
    assert browser_as("rita").get(at("containers") + f"?page={page}").status_code == 200


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("q=c04", 10),
        ("q=REDIS", 125),
        ("q=10.42.0.17", 1),
        ("q=nothing", 0),
        ("state=error", 2),
        ("state=error&q=c2", 1),
        ("image=nginx", 125),
        ("host=999999", 0),
        ("host=no-such-host", 0),
        ("kind=standalone", 250),
        ("q=%00", 250),
        ("q=" + "x" * 5000, 0),
    ],
)
def test_filters_narrow_the_list(browser_as: Any, at: Any, many: Any, query: str, count: int):
    answer = browser_as("rita").get(at("containers") + "?" + query)
    assert answer.context["page"].total == count


def test_columns_sort_up_down_and_back(browser_as: Any, at: Any, many: Any):
    client = browser_as("rita")
    assert names(client.get(at("containers") + "?sort=name"))[0] == "c000"
    down = client.get(at("containers") + "?sort=-name")
    assert names(down)[0] == "c249"
    assert 'href="?"' in down.content.decode() or "sort=image" in down.content.decode()
    assert names(client.get(at("containers") + "?sort=spec"))[0] == "c040"


def test_the_states_are_counted_beside_their_filter(browser_as: Any, at: Any, many: Any):
    counts = dict(browser_as("rita").get(at("containers")).context["states"])
    assert counts == {"running": 247, "error": 2, "stopped": 1}


def test_a_filter_that_finds_nothing_shows_the_way_back(browser_as: Any, at: Any, many: Any):
    page = browser_as("rita").get(at("containers") + "?q=nothing").content.decode()
    assert "No container matches" in page
    assert "Show all" in page


def test_stacks_are_found_by_the_names_of_their_services(browser_as: Any, at: Any, web: Service, shop: Stack):
    client = browser_as("rita")
    assert "shop" in client.get(at("stacks") + "?q=we").content.decode()
    assert "No stack matches" in client.get(at("stacks") + "?q=zzz").content.decode()


def test_a_list_of_services_counts_their_containers_and_shows_their_ports(browser_as: Any, at: Any, web: Service):
    answer = browser_as("rita").get(at("stacks"))
    [(stack, [line])] = answer.context["entries"]
    assert (stack.pk, line.total, line.running) == (web.stack_id, 2, 2)
    assert len(line.ports) == 2
    assert f'href="http://{line.ports[0]["ipAddress"]}:{line.ports[0]["port"]}"' in answer.content.decode()


def test_a_service_lists_its_containers_in_the_order_of_their_numbers(browser_as: Any, at: Any, web: Service):
    assert names(browser_as("rita").get(at("service", pk=web.pk))) == ["shop_web_1", "shop_web_2"]


def test_the_palette_finds_everything_with_a_name_and_nothing_of_others(
    browser_as: Any, at: Any, web: Service, host: Host
):
    client = browser_as("rita")
    page = client.get(at("find") + "?q=web").content.decode()
    assert "shop_web_1" in page
    assert at("service", pk=web.pk) in page
    assert at("host", pk=host.pk) in client.get(at("find") + "?q=h1").content.decode()
    assert at("containers") in client.get(at("find")).content.decode()
    assert "No results for" in client.get(at("find") + "?q=zzz").content.decode()
    assert browser_as("mallory").get(at("find") + "?q=web").status_code == 404


def test_a_host_lists_only_its_own_containers(browser_as: Any, at: Any, many: Any, web: Service, host: Host):
    other = Host.all_objects.create(environment=host.environment, name="h2", url="sim://other", desired="active")
    client = browser_as("rita")
    assert client.get(at("host", pk=host.pk)).context["page"].total == 252
    assert client.get(at("host", pk=other.pk)).context["page"].total == 0


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("running", "good"),
        ("stopped", "off"),
        ("error", "bad"),
        ("reconnecting", "warn"),
        ("disconnected", "bad"),
        ("updating-active", "busy"),
    ],
)
def test_each_state_has_its_tone(state: str, kind: str):
    assert tone(state) == kind


def test_health_speaks_louder_than_the_state_and_failure_louder_than_both():
    row = Container(name="c", state="running", observed_generation=1, health="unhealthy")
    row.display_state = "running"
    assert (badge_of(row).word, badge_of(row).tone) == ("unhealthy", "bad")
    row.health, row.fault, row.message = "healthy", True, "No such image"
    assert (badge_of(row).word, badge_of(row).tone, badge_of(row).note) == ("running", "bad", "No such image")


def test_what_cannot_be_observed_just_now_is_marked_as_stale():
    host = Host(name="h", url="sim://h")
    row = Container(name="c", state="running", host=host)
    row.display_state, host.display_state = "running", "reconnecting"
    assert badge_of(row).is_stale
    host.display_state = "active"
    assert not badge_of(row).is_stale


def test_words_of_the_address_are_cut_and_cleaned():
    request = RequestFactory().get("/", {"q": "  a\0b " + "x" * 900})
    assert query_filters(request, "q", "state") == {"q": ("ab " + "x" * 900)[:200].strip(), "state": ""}


@pytest.mark.django_db
def test_an_empty_list_is_one_page_of_nothing():
    page = paginate(RequestFactory().get("/"), Host.objects.within([]))
    assert (page.total, page.pages, page.first, page.last, page.previous, page.next_page) == (0, 1, 0, 0, 0, 0)


def test_a_list_of_hosts_shows_a_dot_for_each_container(web: Service, host: Host, browser_as: Any):
    url = reverse("console:hosts", kwargs={"environment": host.environment_id})
    assert browser_as("rita").get(url).content.decode().count('<i class="is-good">') == 2
    Container.all_objects.filter(name="shop_web_1").update(fault=True)
    Container.all_objects.filter(name="shop_web_2").update(state="stopped", observed_generation=99)
    text = browser_as("rita").get(url).content.decode()
    assert (text.count('<i class="is-bad">'), text.count('<i class="is-off">')) == (1, 1)
    assert text.index('<i class="is-bad">') < text.index('<i class="is-off">')


def test_more_containers_than_dots_are_counted(web: Service, host: Host, browser_as: Any, monkeypatch: Any):
    monkeypatch.setattr("apps.console.components.state_dots.MAX_DOTS", 1)
    text = (
        browser_as("rita").get(reverse("console:hosts", kwargs={"environment": host.environment_id})).content.decode()
    )
    assert (text.count('<i class="is-good">'), "<small>+1</small>" in text) == (1, True)


def test_what_was_on_a_lost_host_is_greyed(web: Service, host: Host, browser_as: Any):
    url = reverse("console:hosts", kwargs={"environment": host.environment_id})
    assert 'class="dots"' in browser_as("rita").get(url).content.decode()
    Host.all_objects.filter(pk=host.pk).update(state="disconnected", observed_generation=99)
    assert 'class="dots is-stale"' in browser_as("rita").get(url).content.decode()
