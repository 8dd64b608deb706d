"""The topology of an environment and of a stack: the graph's values, and the same as a list."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from apps.console.stacks import topology
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.services import service_create, stack_create


@pytest.fixture
def far(shop: Stack, web: Service, actor_of: Any) -> Service:
    """A service of another stack that `web` is linked to under another name, and one that nothing leads to."""
    actor = actor_of("alice")
    other = stack_create(actor=actor, environment=shop.environment, name="data")
    made = [service_create(actor=actor, stack=other, name=name, config=web.config) for name in ("db", "lonely")]
    ServiceLink.objects.create(service=web, target=made[0], name="store")
    return made[0]


def graph_of(page: Any) -> Any:
    found = re.search(r'<script id="topology-data"[^>]*>(.*?)</script>', page.content.decode(), re.DOTALL)
    return json.loads(found[1]) if found else None


def names(graph: Any) -> dict[str, set[str]]:
    return {stack["name"]: {each["name"] for each in stack["services"]} for stack in graph["stacks"]}


def test_an_environment_shows_all_services_and_links(browser_as: Any, at: Any, web: Service, far: Service):
    graph = graph_of(browser_as("rita").get(at("topology")))
    assert names(graph) == {web.stack.name: {web.name}, "data": {"db", "lonely"}}
    assert graph["links"] == [{"from": web.pk, "to": far.pk, "name": "store", "kind": "link"}]
    nodes = {each["name"]: each for stack in graph["stacks"] for each in stack["services"]}
    assert nodes[web.name]["url"] == at("service", pk=web.pk)
    assert nodes["lonely"]["note"] == "0 / 1"


def test_a_stack_shows_what_it_leads_to_outside_and_nothing_else(browser_as: Any, at: Any, web: Service, far: Service):
    graph = graph_of(browser_as("rita").get(at("stack-topology", pk=web.stack_id)))
    assert names(graph) == {web.stack.name: {web.name}, "data": {"db"}}
    outside = {each["name"]: each["outside"] for stack in graph["stacks"] for each in stack["services"]}
    assert outside == {web.name: False, "db": True}
    back = graph_of(browser_as("rita").get(at("stack-topology", pk=far.stack_id)))
    assert names(back) == {web.stack.name: {web.name}, "data": {"db", "lonely"}}


def test_the_list_says_the_same(browser_as: Any, at: Any, web: Service, far: Service):
    rows = browser_as("rita").get(at("topology")).context["rows"]
    said = {row.service.name: ([x.target.name for x in row.reaches], len(row.reached_by)) for row in rows}
    assert said == {web.name: (["db"], 0), "db": ([], 1), "lonely": ([], 0)}


def test_names_cannot_end_the_script(browser_as: Any, at: Any, web: Service):
    ServiceLink.objects.create(service=web, target=web, name="</script><b>")
    page = browser_as("rita").get(at("topology"))
    assert graph_of(page)["links"][0]["name"] == "</script><b>"


def test_too_many_services_are_listed_only(browser_as: Any, at: Any, web: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(topology, "MAX_NODES", 0)
    page = browser_as("rita").get(at("topology"))
    assert graph_of(page) is None
    assert b"up to 0 services" in page.content
    assert web.name.encode() in page.content


def test_an_empty_environment_says_what_is_shown_here(browser_as: Any, at: Any, lab: Any):
    assert b"No services yet" in browser_as("rita").get(at("topology")).content
