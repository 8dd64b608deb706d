"""Labels say which project and service a container is of."""

from __future__ import annotations

import pytest

from apps.adoption.origin import Origin, origin_of, plain_name, uses_dashes, without_notes
from tests.adoption.projects import compose_labels


def test_compose_of_both_generations() -> None:
    assert origin_of("shop_web_2", compose_labels("shop", "web", 2)) == Origin("compose", "shop", "web", 2)
    second = compose_labels("shop", "web", 2, version="2.24.5")
    assert origin_of("shop-web-2", second) == Origin("compose", "shop", "web", 2)
    assert origin_of("x", {**second, "com.docker.compose.oneoff": "True"}).is_one_off
    assert origin_of("x", {**second, "com.docker.compose.container-number": "²"}).number == 0


@pytest.mark.parametrize(
    ("name", "label", "launch", "service", "number", "sidekick"),
    [
        ("r-Shop-web-2-0a1b2c3d", "Shop/web", "io.rancher.service.primary.launch.config", "web", 2, ""),
        ("r-shop_web_1", "Shop/web", "", "web", 1, ""),
        ("r-shop-web-logs-1-0a1b2c3d", "Shop/web", "logs", "web-logs", 1, "logs"),
        ("r-shop-web-logs-1-0a1b2c3d", "Shop/web/logs", "logs", "web-logs", 1, "logs"),
        ("odd", "Shop/web", "", "web", 0, ""),
    ],
)
def test_a_stack_of_rancher(name: str, label: str, launch: str, service: str, number: int, sidekick: str) -> None:
    labels = {"io.rancher.stack.name": "Shop", "io.rancher.stack_service.name": label}
    labels |= {"io.rancher.service.launch.config": launch} if launch else {}
    found = origin_of(name, labels)
    assert found == Origin("rancher", "Shop", service, number, launch_name=sidekick)
    assert found.primary_service == "web"


def test_anything_else_is_a_project_of_its_own() -> None:
    assert origin_of("nginx", {"team": "x"}) == Origin("container", "nginx", "nginx", 1)
    assert origin_of("nginx", {"com.docker.compose.project": "half"}).kind == "container"


def test_what_a_platform_notes_is_not_asked_for() -> None:
    labels = {**compose_labels("a", "b", 1), "io.rancher.container.uuid": "1", "team": "x", "io.corral.sim.exit": "1"}
    assert without_notes(labels) == {"team": "x", "io.corral.sim.exit": "1"}


@pytest.mark.parametrize(
    ("name", "version", "dashes"),
    [
        ("shop-web-1", "1.29.2", True),
        ("shop_web_1", "2.1", False),
        ("custom", "2.24.5", True),
        ("custom", "1.29", False),
    ],
)
def test_names_are_joined_as_the_project_does(name: str, version: str, dashes: bool) -> None:
    labels = compose_labels("shop", "web", 1, version=version)
    assert uses_dashes(labels, {name: origin_of(name, labels)}) is dashes


@pytest.mark.parametrize(
    ("text", "plain"),
    [("web", "web"), ("my_db.1", "my-db-1"), ("__", "adopted"), ("a" * 80, "a" * 63), ("é", "adopted")],
)
def test_names_are_those_that_stacks_may_have(text: str, plain: str) -> None:
    assert plain_name(text) == plain
