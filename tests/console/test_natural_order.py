"""Names that end in numbers are listed as people count: _1, _2, ..., _10."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from apps.console.listing import natural, ordered
from apps.console.services import COLUMNS
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Slot, Stack

COUNTED = [f"shop_api_{number}" for number in range(1, 13)]


def settled(lab: Environment, name: str, **more: Any) -> Any:
    return {"environment": lab, "name": name, "observed_generation": 1, **more}


@pytest.fixture
def api(lab: Environment, host: Host, shop: Stack) -> Service:
    """A service of twelve containers, whose rows came in an order of their own."""
    row: Service = Service.all_objects.create(
        **settled(lab, "api", stack=shop, desired="active", state="active", scale=12)
    )
    for name in sorted(COUNTED):
        made = Container.all_objects.create(
            **settled(lab, name, host=host, desired="running", state="running", image="redis:7")
        )
        Slot.objects.create(service=row, number=int(name.rpartition("_")[2]), container=made)
    return row


def names(answer: Any) -> list[str]:
    return [row.name for row in answer.context["page"].rows]


@pytest.mark.parametrize("sort", ["", "?sort=name", "?sort=slot", "?sort=x"])
def test_every_list_of_containers_counts(sort: str, enter: Any, at: Any, api: Service, host: Host):
    client = enter("rita")
    for url in (at("containers"), at("service", pk=api.pk), at("host", pk=host.pk)):
        assert names(client.get(url + sort)) == COUNTED


def test_counting_down_is_the_same_backwards(enter: Any, at: Any, api: Service):
    client = enter("rita")
    for url in (at("containers"), at("service", pk=api.pk)):
        assert names(client.get(url + "?sort=-name")) == COUNTED[::-1]


def test_the_bad_ones_still_come_first(enter: Any, at: Any, api: Service):
    Container.all_objects.filter(name__in=["shop_api_3", "shop_api_12"]).update(fault=True)
    assert names(enter("rita").get(at("containers")))[:4] == ["shop_api_3", "shop_api_12", "shop_api_1", "shop_api_2"]


def test_the_order_holds_across_pages(enter: Any, at: Any, api: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("apps.console.listing.SIZE", 5)
    client = enter("rita")
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
        Container.all_objects.create(**settled(lab, name, desired="running"))
    rows = Container.objects.within([lab.pk])
    assert [row.name for row in rows.order_by(*natural("name"))] == wanted


def test_addresses_images_and_the_names_of_hosts_count_too(lab: Environment):
    for number in (10, 9, 1):
        there = Host.all_objects.create(**settled(lab, f"node{number}", url=f"sim://{number}", desired="active"))
        Container.all_objects.create(
            **settled(lab, "c", desired="running", host=there, image=f"redis:{number}", address=f"10.42.0.{number}")
        )
    Container.all_objects.create(**settled(lab, "homeless", desired="running", image="", address=""))
    rows = Container.objects.within([lab.pk]).filter(name="c").select_related("host")
    for column in ("host", "image", "address"):
        found = [row.host.name for row in ordered(rows, column, COLUMNS)]
        assert found == ["node1", "node9", "node10"], column
        assert [row.host.name for row in ordered(rows, f"-{column}", COLUMNS)] == found[::-1], column


@pytest.mark.parametrize("sort", ["host", "-host"])
def test_what_stands_nowhere_comes_last_either_way(sort: str, lab: Environment, api: Service):
    Container.all_objects.create(**settled(lab, "a_homeless_1", desired="running"))
    rows = Container.objects.within([lab.pk])
    assert [row.name for row in ordered(rows, sort, COLUMNS)][-1] == "a_homeless_1"


def test_services_and_stacks_count_too(enter: Any, at: Any, lab: Environment, shop: Stack):
    for number in (10, 2, 1):
        Service.all_objects.create(**settled(lab, f"worker{number}", stack=shop, desired="active", state="active"))
        Stack.all_objects.create(**settled(lab, f"team{number}", desired="active", state="active"))
    answer = enter("rita").get(at("stacks"))
    found = {stack.name: [line.service.name for line in services] for stack, services in answer.context["shown"]}
    assert [name for name in found if name.startswith("team")] == ["team1", "team2", "team10"]
    assert found["shop"] == ["worker1", "worker2", "worker10"]
    stack = enter("rita").get(at("stack", pk=shop.pk))
    assert [line.service.name for line in stack.context["services"]] == ["worker1", "worker2", "worker10"]


def test_hosts_count_in_their_list_and_wherever_one_is_chosen(enter: Any, at: Any, lab: Environment, shop: Stack):
    for number in (10, 2):
        Host.all_objects.create(
            **settled(lab, f"node{number}", url=f"sim://{number}", desired="active", state="active")
        )
    client, wanted = enter("bob"), ["node2", "node10"]
    assert names(client.get(at("hosts")))[-2:] == wanted
    assert [name for _key, name in client.get(at("containers")).context["hosts"]][-2:] == wanted
    form = client.get(at("service-new", stack=shop.pk))
    assert [row.name for row in form.context["hosts"]][-2:] == wanted


def test_what_is_going_to_move_or_go_is_told_in_order(enter: Any, at: Any, api: Service, host: Host):
    client = enter("alice")
    Container.all_objects.filter(name__startswith="shop_api").update(kept=True)
    moves = client.get(at("host-evacuate", pk=host.pk)).context["moves"]
    assert [row.name for row in moves] == COUNTED
    goes = client.get(at("service-remove", pk=api.pk)).context["goes"]
    assert goes == [f"container {name}" for name in COUNTED]


def test_the_palette_shows_the_first_ones_first(enter: Any, at: Any, api: Service):
    hits = enter("rita").get(at("find") + "?q=shop_api").context["hits"]
    assert [hit.title for hit in hits if hit.group == "Containers"] == COUNTED[:6]


def test_environments_count_in_their_list_and_in_the_switcher(enter: Any, people: Any, at: Any):
    from apps.environments.access import actor_of_user
    from apps.environments.services import environment_create

    for number in (10, 2):
        environment_create(actor=actor_of_user(people.alice, "api"), name=f"Team {number}")
    text = enter("alice").get(at("stacks")).content.decode()
    assert text.index("Team 2") < text.index("Team 10")
    listed = enter("alice").get(reverse("console:environments")).content.decode()
    assert listed.rindex("Team 2") < listed.rindex("Team 10")
