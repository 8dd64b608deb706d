"""Lists, the palette and the placement where there are many rows."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.urls import reverse

from apps.console.components.listing import count_states, filter_state
from apps.console.containers.placement_summary import MAX_NAMES, group_trace
from apps.console.templatetags.console import middle
from apps.containers.models import Container
from apps.environments.models import Environment
from apps.hosts.models import Host
from apps.stacks.models import Service, Stack
from tests.console.page_costs import fill


def page_of(client: Any, path: str, **query: str) -> str:
    return str(client.get(path, query).content.decode())


def facets(page: str) -> dict[str, int]:
    """The state facets with their counts."""
    bar = page[page.index('class="facets"') :].split("</nav>", maxsplit=1)[0]
    return {name.strip(): int(count) for name, count in re.findall(r">\s*([\w-]+) <b>(\d+)</b>", bar)}


def test_a_placement_among_hundreds_of_hosts_is_a_few_lines():
    hosts = [f"h{n}" for n in range(MAX_NAMES)]
    trace: list[dict[str, Any]] = [{"verdict": "refused", "reasons": ["it is inactive"], "hosts": hosts, "count": 187}]
    trace += [{"verdict": "possible", "reasons": ["it has more containers"], "hosts": ["p1", "p2"], "count": 2}]
    trace += [{"verdict": "chosen", "reasons": ["it has the fewest containers"], "hosts": ["c"], "count": 1}]
    groups = group_trace(trace)
    assert [(each.verdict, each.count) for each in groups] == [("chosen", 1), ("possible", 2), ("refused", 187)]
    assert (groups[0].names, groups[0].reason) == (["c"], "it has the fewest containers")
    assert (len(groups[2].names), groups[2].more) == (MAX_NAMES, 187 - MAX_NAMES)
    assert group_trace(None) == []


def test_a_placement_of_before_traces_were_grouped_is_a_few_lines_too():
    trace: list[dict[str, Any]] = [
        {"name": f"h{n}", "verdict": "refused", "reasons": ["it is inactive"]} for n in range(187)
    ]
    trace += [{"name": name, "verdict": "possible", "reasons": [], "rank": [0, 1]} for name in ("p1", "p2")]
    groups = group_trace(trace)
    assert [(each.verdict, each.count, each.reason) for each in groups] == [
        ("possible", 2, ""),
        ("refused", 187, "it is inactive"),
    ]
    assert len(groups[1].names) == MAX_NAMES


def test_the_page_of_a_container_shows_the_groups(browser_as: Any, at: Any, container: Container):
    trace = [{"name": f"h{n}", "verdict": "refused", "reasons": ["it is inactive"]} for n in range(200)]
    Container.all_objects.filter(pk=container.pk).update(placement=trace)
    page = page_of(browser_as("alice"), at("container", pk=container.pk))
    assert page.count("it is inactive") == 1
    assert "200 hosts" in page


def test_facets_count_what_the_text_filter_leaves(browser_as: Any, at: Any, lab: Environment, web: Service, host: Host):
    fill(lab, host, stacks=2, each=3)
    client = browser_as("alice")
    running = Container.all_objects.filter(removed=None, display_state="running").count()
    assert running >= 12
    assert facets(page_of(client, at("containers")))["running"] == running
    assert facets(page_of(client, at("containers"), q="s1_web"))["running"] == 3
    assert facets(page_of(client, at("containers"), q="s1_web", state="stopped"))["running"] == 3
    assert facets(page_of(client, at("hosts"))) == {"active": 1}


def test_stacks_are_found_by_the_health_that_their_badge_shows(browser_as: Any, at: Any, lab: Environment, host: Host):
    fill(lab, host, stacks=3, each=1)
    Stack.all_objects.filter(name="s1").update(status={"health": "unhealthy"})
    page = page_of(browser_as("alice"), at("stacks"))
    assert facets(page) == {"active": 2, "unhealthy": 1}
    assert "3 stacks, 6 services" in page
    found = page_of(browser_as("alice"), at("stacks"), state="unhealthy")
    assert [name in found for name in (">s0<", ">s1<", ">s2<")] == [False, True, False]


@pytest.mark.parametrize("state", ["", "active", "unhealthy", "nonsense"])
def test_a_state_filter_and_its_count_agree(lab: Environment, host: Host, state: str):
    fill(lab, host, stacks=3, each=1)
    Stack.all_objects.filter(name="s1").update(status={"health": "unhealthy"})
    rows = Stack.objects.within([lab.pk])
    counted = dict(count_states(rows, by_health=True))
    wanted = counted.get(state, 0) if state else sum(counted.values())
    assert filter_state(rows, state, by_health=True).count() == wanted


def test_a_long_list_of_stacks_opens_only_what_fails(browser_as: Any, at: Any, lab: Environment, host: Host):
    fill(lab, host, stacks=12, each=1)
    failing = Stack.all_objects.get(name="s3")
    Stack.all_objects.filter(pk=failing.pk).update(fault=True)
    page = page_of(browser_as("alice"), at("stacks"))
    opened = re.findall(r'<details id="fold-(\d+)"\s+open', page)
    assert opened == [str(failing.pk)]
    assert "data-fold-all" in page


@pytest.mark.parametrize("text", ["h1", "H", "1", "²", "9" * 40])
def test_containers_are_filtered_by_a_part_of_their_host_s_name(browser_as: Any, at: Any, web: Service, text: str):
    answer = browser_as("alice").get(at("containers"), {"host": text})
    assert answer.status_code == 200
    assert ("web_1" in answer.content.decode()) is (text.lower() in {"h", "h1", "1"})


def test_a_long_name_keeps_its_end():
    assert middle("short") == "short"
    cut = middle("frankfurt-datacenter-rack-3-node-<017>.internal")
    assert "&lt;017&gt;.internal</span>" in cut
    assert 'title="frankfurt-datacenter-rack-3-node-&lt;017&gt;.internal"' in cut


def test_the_palette_searches_all_environments_of_the_actor_only(
    browser_as: Any, at: Any, people: Any, shop: Stack, actor_of: Any
):
    from apps.environments.services import environment_create
    from apps.stacks.services import stack_create

    other = environment_create(actor=actor_of("alice"), name="Annex")
    stack_create(actor=actor_of("alice"), environment=other, name="shop-too")
    found = page_of(browser_as("alice"), at("find"), q="shop")
    assert found.index(">shop<") < found.index(">shop-too<")
    assert "Annex" in found
    assert "shop-too" not in page_of(browser_as("bob"), at("find"), q="shop")
    assert reverse("console:stacks", kwargs={"environment": other.pk}) in page_of(
        browser_as("alice"), at("find"), q="anne"
    )


def test_the_palette_finds_settings_and_actions(browser_as: Any, at: Any, lab: Environment):
    assert "#setting-retention.audit.days" in page_of(browser_as("root"), at("find"), q="audit.days")
    assert "#setting-" not in page_of(browser_as("alice"), at("find"), q="audit.days")
    assert reverse("console:password") in page_of(browser_as("alice"), at("find"), q="password")
    assert reverse("console:accounts") not in page_of(browser_as("alice"), at("find"), q="account")


def test_the_page_that_adds_a_host_says_where_the_image_comes_from(browser_as: Any, at: Any, lab: Environment):
    page = page_of(browser_as("alice"), at("host-add"))
    assert "docker save corral/agent:v" in page
    assert "make agent-image" in page
    assert "bootstrap.required.image" not in page
    assert "bootstrap.required.image" in page_of(browser_as("root"), at("host-add"))


def test_a_preview_has_a_copy_button_for_each_file_and_no_warning_before_typing(browser_as: Any, at: Any, shop: Stack):
    client, path = browser_as("alice"), at("service-preview")
    empty = client.post(path, {"name": "", "image": ""}).content.decode()
    assert "is-warn" not in empty
    both = client.post(path, {"name": "web", "image": "bb:local", "scale": "3"}).content.decode()
    assert both.count("data-copy-of") == both.count("<pre")
    assert "docker-compose.yml" in both


def test_a_refused_stack_is_checked_again_beside_its_form(browser_as: Any, at: Any, lab: Environment):
    sent = {"name": "not a name", "dockerCompose": "services: {web: {image: bb}}"}
    page = browser_as("alice").post(at("stack-new"), sent).content.decode()
    panel = page[page.index('id="check"') :].split(">")[0]
    assert 'hx-trigger="load"' in panel
