"""Links that lead nowhere are refused: names that nothing can look up, aliases that lead to themselves."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.stacks.models import Service, ServiceLink
from apps.stacks.service_options import ServiceOptions
from apps.stacks.services import link_add, links_set

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
