"""Links that lead nowhere are refused: names that nothing can look up, aliases that lead to themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.containers.launch.config import LaunchConfig
from apps.control.reconcile import reconcile_one, reconcile_until_idle
from apps.core.errors import Invalid
from apps.stacks.balancer.selectors import _behind_aliases
from apps.stacks.link_checks import check_no_circles
from apps.stacks.models import Service, ServiceLink
from apps.stacks.names.reading import read_names
from apps.stacks.names.records import render_records
from apps.stacks.service_options import ServiceOptions
from apps.stacks.services import link_add, links_set, service_create, service_update, stack_create

CONFIG = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})


def links_of(row: Service) -> list[tuple[str, str]]:
    return sorted((link.name, link.target.name) for link in ServiceLink.objects.filter(service=row))


@pytest.mark.parametrize("name", ["a b", "a/b", "-a", "ä", "a" * 64, "a\nb", "*"])
def test_a_link_is_called_what_a_container_can_look_up(name: str, serve: Any, actor_of: Any):
    web, db = serve("web"), serve("db")
    for change in (
        lambda: link_add(web, db, name, actor=actor_of("bob")),
        lambda: links_set(web, [(db, name)], actor=actor_of("bob")),
    ):
        with pytest.raises(Invalid, match="is no host name") as caught:
            change()
        assert caught.value.code == "InvalidCharacters"
    assert links_of(web) == []


def test_a_bad_name_from_before_stays_until_somebody_changes_it(serve: Any, actor_of: Any):
    web, db, cache = serve("web"), serve("db"), serve("cache")
    ServiceLink.objects.create(service=web, target=db, name="a b")
    links_set(web, [(db, "a b"), (cache, "")], actor=actor_of("bob"))
    assert links_of(web) == [("a b", "db"), ("cache", "cache")]


def test_an_alias_never_leads_to_itself(serve: Any, actor_of: Any):
    bob, db = actor_of("bob"), serve("db")
    options = ServiceOptions(kind="dnsService")
    one, two, three = (serve(name, options=options) for name in ("one", "two", "three"))
    link_add(two, three, "", actor=bob)
    link_add(one, two, "", actor=bob)
    links_set(three, [(db, "")], actor=bob)
    for change, way in (
        (lambda: links_set(three, [(db, ""), (three, "me")], actor=bob), "three → three"),
        (lambda: link_add(three, two, "", actor=bob), "three → two → three"),
        (lambda: links_set(three, [(one, "x")], actor=bob), "three → one → two → three"),
    ):
        with pytest.raises(Invalid, match=f"lead to itself .{way}") as caught:
            change()
        assert (str(caught.value.field).startswith("serviceLink"), caught.value.code) == (True, "InvalidReference")
    assert links_of(three) == [("db", "db")]
    web = serve("web")
    link_add(web, web, "", actor=bob)  # its containers find each other by it


def alias(serve: Any, name: str, labels: dict[str, str], selector: str = "") -> Service:
    """A service alias with these labels, whose links are made by its selector."""
    config = LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": labels})
    row: Service = serve(name, config=config, options=ServiceOptions(kind="dnsService", selector_link=selector))
    return row


@pytest.fixture
def serve(stack: Any, actor_of: Any) -> Any:
    """Creates a reconciled service of any configuration."""

    def make(name: str = "web", config: LaunchConfig = CONFIG, **more: Any) -> Service:
        row = service_create(actor=actor_of("bob"), stack=stack, name=name, config=config, **more)
        reconcile_until_idle()
        row.refresh_from_db()
        return row

    return make


def test_an_alias_never_leads_to_itself_by_a_selector(serve: Any, actor_of: Any):
    bob = actor_of("bob")
    one = alias(serve, "one", {"tier": "a"}, "tier=b")
    for change, field, way in (
        (lambda: alias(serve, "two", {"tier": "b"}, "tier=a"), "selectorLink", "two → one → two"),
        (lambda: link_add(alias(serve, "three", {"tier": "b"}), one, "", actor=bob), "serviceLink", "three → one"),
        (lambda: links_set(named("three"), [(one, "")], actor=bob), "serviceLinks", "three → one → three"),
        (lambda: select(named("three"), "tier in (a,c)", bob), "selectorLink", "three → one → three"),
    ):
        with pytest.raises(Invalid, match=f"lead to itself .{way}") as caught:
            change()
        assert (caught.value.field, caught.value.code) == (field, "InvalidReference")
    assert not Service.all_objects.filter(name="two").exists()
    select(named("three"), "tier=c", bob)
    assert named("three").selector_link == "tier=c"


def select(row: Service, selector: str, actor: Any) -> None:
    service_update(row, actor=actor, options=replace(row.options, selector_link=selector))


def named(name: str) -> Service:
    return Service.all_objects.get(name=name)


def test_a_selector_that_finds_its_own_alias_makes_no_link_and_no_circle(serve: Any):
    assert links_of(alias(serve, "one", {"tier": "a"}, "tier=a")) == []


def test_an_alias_in_a_circle_of_later_labels_leads_to_what_else_is_in_it(serve: Any, actor_of: Any):
    """A label that somebody changes may close a circle: names and balancers take each alias once."""
    web = serve("web", config=LaunchConfig.from_wire({"imageUuid": "docker:bb:local", "labels": {"tier": "a"}}))
    rows = [alias(serve, f"alias{number}", {"tier": "b"}, "tier=a") for number in range(12)]
    Service.all_objects.filter(pk__in=[row.pk for row in rows]).update(selector_link="tier in (a,b)", desired="active")
    for row in named("alias0"), *rows:
        Service.all_objects.filter(pk=row.pk).update(generation=row.generation + 1)
        reconcile_one("service", row.pk)
    assert len(links_of(named("alias0"))) == 12
    assert _behind_aliases([named("alias0"), named("alias7")]) == {rows[0].pk: [web], rows[7].pk: [web]}
    (names,) = read_names([web.environment_id]).values()
    records = render_records(names)
    assert records.addresses["alias0.shop"] == records.addresses["web.shop"]


def test_as_many_aliases_as_a_file_has_are_checked_with_as_few_queries(serve: Any):
    rows = [alias(serve, f"alias{number}", {"tier": "b"}, "tier=a") for number in range(4)]

    def count(some: list[Service]) -> int:
        with CaptureQueriesContext(connection) as found:
            check_no_circles(some, "dockerCompose")
        return len(found)

    assert count(rows[:1]) == count(rows)


def test_a_file_whose_alias_finds_one_of_another_stack_that_finds_it_is_refused(serve: Any, lab: Any, actor_of: Any):
    alias(serve, "one", {"tier": "a"}, "tier=b")
    file = "both: {image: rancher/dns-service, labels: {tier: b}, external_links: [shop/one]}"
    with pytest.raises(Invalid, match="both → one → both") as caught:
        stack_create(actor=actor_of("bob"), environment=lab, name="more", docker_compose=file)
    assert caught.value.field == "dockerCompose"
    assert not Service.all_objects.filter(name="both").exists()
