"""Links that lead nowhere are refused: names that nothing can look up, aliases that lead to themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.control.reconcile import reconcile_until_idle
from apps.core.errors import Invalid
from apps.environments.models import Environment
from apps.stacks.models import Service, ServiceLink, Stack
from apps.stacks.service_options import ServiceOptions
from apps.stacks.services import link_add, links_set, service_create, stack_create

CONFIG = LaunchConfig.from_wire({"imageUuid": "docker:bb:local"})


@pytest.fixture
def stack(lab: Environment, actor_of: Any) -> Stack:
    """A reconciled stack without services."""
    row = stack_create(actor=actor_of("alice"), environment=lab, name="shop")
    reconcile_until_idle()
    row.refresh_from_db()
    return row


@pytest.fixture
def serve(stack: Stack, actor_of: Any) -> Callable[..., Service]:
    """Creates a reconciled service that does not run."""

    def make(name: str = "web", who: str = "bob", **more: Any) -> Service:
        row = service_create(actor=actor_of(who), stack=more.pop("stack", stack), name=name, config=CONFIG, **more)
        reconcile_until_idle()
        row.refresh_from_db()
        return row

    return make


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
