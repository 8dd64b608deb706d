"""Names that end in numbers are sorted naturally: _1, _2, ..., _10."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from apps.console.components.listing import natural_order, sort_rows
from apps.console.stacks.services import COLUMNS
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Slot, Stack

COUNTED = [f"shop_api_{number}" for number in range(1, 13)]


def in_sync_row(lab: Environment, name: str, **more: Any) -> Any:
    return {"environment": lab, "name": name, "observed_generation": 1, **more}


@pytest.fixture
def api(lab: Environment, host: Host, shop: Stack) -> Service:
    """A service of twelve containers, created in shuffled order."""
    row: Service = Service.all_objects.create(
        **in_sync_row(lab, "api", stack=shop, desired="active", state="active", scale=12)
    )
    running = {"host": host, "desired": "running", "state": "running", "image": "redis:7"}
    for name in sorted(COUNTED):
        made = Container.all_objects.create(**in_sync_row(lab, name, spread_key=str(row.uuid), **running))
        Slot.objects.create(service=row, number=int(name.rpartition("_")[2]), container=made)
    return row


def names(answer: Any) -> list[str]:
    return [row.name for row in answer.context["page"].rows]


@pytest.mark.parametrize("sort", ["", "?sort=name", "?sort=slot", "?sort=x"])
def test_every_list_of_containers_counts(sort: str, browser_as: Any, at: Any, api: Service, host: Host):
    client = browser_as("rita")
    for url in (at("containers"), at("service", pk=api.pk), at("host", pk=host.pk)):
        assert names(client.get(url + sort)) == COUNTED


def test_counting_down_is_the_same_backwards(browser_as: Any, at: Any, api: Service):
    client = browser_as("rita")
    for url in (at("containers"), at("service", pk=api.pk)):
        assert names(client.get(url + "?sort=-name")) == COUNTED[::-1]


def test_the_bad_ones_still_come_first(browser_as: Any, at: Any, api: Service):
    Container.all_objects.filter(name__in=["shop_api_3", "shop_api_12"]).update(fault=True)
    assert names(browser_as("rita").get(at("containers")))[:4] == [
        "shop_api_3",
        "shop_api_12",
        "shop_api_1",
        "shop_api_2",
    ]


def test_the_order_holds_across_pages(browser_as: Any, at: Any, api: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("apps.console.components.listing.PAGE_SIZE", 5)
    client = browser_as("rita")
    pages = [names(client.get(at("containers") + f"?page={number}")) for number in (1, 2, 3)]
    assert pages == [COUNTED[:5], COUNTED[5:10], COUNTED[10:]]


@pytest.mark.parametrize(
    "wanted",
    [
        ["a1", "a2", "a10", "a100"],
        ["web", "web1", "web9", "web10", "webb"],
        ["1", "2", "10", "99999999999999999999999999999"],
        ["redis_7", "redis_07", "redis_10"],
        ["a-1", "a-10", "b-2"],
        ["ü_2", "ü_10"],
        ["a_1b", "a_2b"],
        ["", "a"],
    ],
)
def test_a_number_counts_only_at_the_end_of_a_name(wanted: list[str], lab: Environment):
    for name in sorted(wanted):
        Container.all_objects.create(**in_sync_row(lab, name, desired="running"))
    rows = Container.objects.within([lab.pk])
    assert [row.name for row in rows.order_by(*natural_order("name"))] == wanted


def test_addresses_images_and_the_names_of_hosts_count_too(lab: Environment):
    for number in (10, 9, 1):
        there = Host.all_objects.create(**in_sync_row(lab, f"node{number}", url=f"sim://{number}", desired="active"))
        Container.all_objects.create(
            **in_sync_row(lab, "c", desired="running", host=there, image=f"redis:{number}", address=f"10.42.0.{number}")
        )
    Container.all_objects.create(**in_sync_row(lab, "homeless", desired="running", image="", address=""))
    rows = Container.objects.within([lab.pk]).filter(name="c").select_related("host")
    for column in ("host", "image", "address"):
        found = [row.host.name for row in sort_rows(rows, column, COLUMNS)]
        assert found == ["node1", "node9", "node10"], column
        assert [row.host.name for row in sort_rows(rows, f"-{column}", COLUMNS)] == found[::-1], column


@pytest.mark.parametrize("sort", ["host", "-host"])
def test_what_stands_nowhere_comes_last_either_way(sort: str, lab: Environment, api: Service):
    Container.all_objects.create(**in_sync_row(lab, "a_homeless_1", desired="running"))
    rows = Container.objects.within([lab.pk])
    assert [row.name for row in sort_rows(rows, sort, COLUMNS)][-1] == "a_homeless_1"


def test_services_and_stacks_count_too(browser_as: Any, at: Any, lab: Environment, shop: Stack):
    for number in (10, 2, 1):
        Service.all_objects.create(**in_sync_row(lab, f"worker{number}", stack=shop, desired="active", state="active"))
        Stack.all_objects.create(**in_sync_row(lab, f"team{number}", desired="active", state="active"))
    answer = browser_as("rita").get(at("stacks"))
    found = {stack.name: [line.service.name for line in services] for stack, services in answer.context["entries"]}
    assert [name for name in found if name.startswith("team")] == ["team1", "team2", "team10"]
    assert found["shop"] == ["worker1", "worker2", "worker10"]
    stack = browser_as("rita").get(at("stack", pk=shop.pk))
    assert [line.service.name for line in stack.context["services"]] == ["worker1", "worker2", "worker10"]


def test_hosts_count_in_their_list_and_wherever_one_is_chosen(browser_as: Any, at: Any, lab: Environment, shop: Stack):
    for number in (10, 2):
        Host.all_objects.create(
            **in_sync_row(lab, f"node{number}", url=f"sim://{number}", desired="active", state="active")
        )
    client, wanted = browser_as("bob"), ["node2", "node10"]
    assert names(client.get(at("hosts")))[-2:] == wanted
    assert client.get(at("containers")).context["hosts"][-2:] == wanted
    form = client.get(at("service-new", stack=shop.pk))
    assert [row.name for row in form.context["hosts"]][-2:] == wanted


def test_what_is_going_to_move_or_go_is_listed_in_order(browser_as: Any, at: Any, api: Service, host: Host):
    client = browser_as("alice")
    Container.all_objects.filter(name__startswith="shop_api").update(keep_running=True)
    moves = client.get(at("host-evacuate", pk=host.pk)).context["moves"]
    assert [row.name for row in moves] == COUNTED
    goes = client.get(at("service-remove", pk=api.pk)).context["sections"][0].lines
    assert list(goes) == [f"container {name}" for name in COUNTED]


def test_the_palette_shows_the_first_ones_first(browser_as: Any, at: Any, api: Service):
    hits = browser_as("rita").get(at("find") + "?q=shop_api").context["hits"]
    assert [hit.title for hit in hits if hit.group == "Containers"] == COUNTED[:6]


def test_environments_count_in_their_list_and_in_the_switcher(browser_as: Any, people: Any, at: Any):
    from apps.environments.actor import actor_of_user
    from apps.environments.services import environment_create

    for number in (10, 2):
        environment_create(actor=actor_of_user(people.alice, "api"), name=f"Team {number}")
    text = browser_as("alice").get(at("stacks")).content.decode()
    assert text.index("Team 2") < text.index("Team 10")
    listed = browser_as("alice").get(reverse("console:environments")).content.decode()
    assert listed.rindex("Team 2") < listed.rindex("Team 10")
