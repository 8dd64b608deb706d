"""Whatever a stack's new files do not say any more has its default afterwards, and the preview lists it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

from apps.containers.launch.config import LAUNCH_FIELDS, LaunchConfig
from apps.stacks.compose import ComposeService, export, parse
from apps.stacks.compose.rancher_compose import KNOWN_KEYS
from apps.stacks.models import Service, Stack
from apps.stacks.services import service_update
from apps.stacks.stack_plan import ServiceChange, ServiceState, by_name, plan_stack
from apps.stacks.stack_upgrade import preview_upgrade, stack_upgrade
from tests.stacks.full_config import FULL
from tests.stacks.shop import BEFORE, RANCHER, files

ALWAYS_SAID, AT_CREATION = "imageUuid", "startOnCreate"
Options = Mapping[str, Any]
SERVICE: Options = {"image": "bb:1", "labels": {}, "links": ["db"]}
EXTERNAL: Options = {"image": "rancher/external-service"}
BALANCER: Options = {"image": "rancher/lb-service-haproxy", "ports": ["80:80"], "links": ["db"]}
ALIAS: Options = {"image": "rancher/dns-service", "links": ["db"]}
OPTIONS: dict[str, tuple[Options, Options]] = {
    "description": (SERVICE, {"description": "the front"}),
    "metadata": (SERVICE, {"metadata": {"a": {"b": 1}}}),
    "retain_ip": (SERVICE, {"retain_ip": True}),
    "scale_policy": (SERVICE, {"scale_policy": {"min": 1, "max": 3}}),
    "health_check": (SERVICE, {"health_check": {"port": 80}}),
    "drain_timeout_ms": (SERVICE, {"drain_timeout_ms": 5000}),
    "external_ips": (EXTERNAL, {"external_ips": ["192.0.2.1"]}),
    "hostname": (EXTERNAL, {"hostname": "db.example.com"}),
}
LABELS = {
    "io.corral.lost_host": "reschedule 90",
    "io.corral.schedule": "0 3 * * *",
    "io.rancher.service.selector.link": "tier=front",
    "io.rancher.service.selector.container": "tier=back",
    "io.rancher.container.pull_image": "always",
    "tier": "front",
}
# Kept on purpose (docs/howto/upgrade-a-stack.md), or a part of another key.
KEPT = {"scale", "start_on_create", "upgrade_strategy"}
OF_KINDS = {"type"}


def read(docker: str, rancher: str = "") -> dict[str, ServiceState]:
    return by_name(map(ServiceState.from_compose, parse(docker, rancher, stack_name="shop").services))


def change_of(full: tuple[str, str], less: tuple[str, str]) -> ServiceChange:
    """What becomes of `web` as the first pair of files says it, by the second."""
    now = read(*full)
    return next(each for each in plan_stack(now, read(*less), shown=now) if each.name == "web")


@pytest.mark.parametrize("name", sorted(FULL.keys() - {ALWAYS_SAID, AT_CREATION}))
def test_a_launch_field_without_its_key_is_at_its_default(name: str) -> None:
    attribute = next(each.attribute for each in LAUNCH_FIELDS if each.name == name)
    full, less = (
        export([ComposeService("web", LaunchConfig.from_wire(wire))], "shop")
        for wire in (FULL, {key: value for key, value in FULL.items() if key != name})
    )
    change = change_of(full, less)
    assert change.after is not None
    default = getattr(read("web: {image: a}\n")["web"].unit.primary, attribute)
    assert getattr(change.after.unit.primary, attribute) == default
    assert change.what == "upgrade"
    assert name in {each.field for each in change.differences}


def test_without_its_key_a_container_has_not_the_name_of_its_host() -> None:
    change = change_of(("web: {image: a, uts: host}\n", ""), ("web: {image: a}\n", ""))
    assert change.after is not None
    assert (change.what, change.after.unit.primary.uts) == ("upgrade", None)
    assert [each.field for each in change.differences] == ["uts"]


def test_each_launch_field_that_a_file_can_say_is_tried() -> None:
    said = {each.name for each in LAUNCH_FIELDS if each.compose}
    elsewhere = {"healthCheck", "dataVolumesFromLaunchConfigs", "uts"}  # below, and in files with sidekicks
    assert said - FULL.keys() == elsewhere


@pytest.mark.parametrize("key", sorted(OPTIONS))
def test_an_option_of_a_service_without_its_key_is_at_its_default(key: str) -> None:
    body, part = OPTIONS[key]
    docker = yaml.safe_dump({"web": body, "db": {"image": "bb:1"}})
    other: dict[str, Any] = {"hostname": "other.example.com"} if key == "external_ips" else {}
    other |= {"external_ips": ["192.0.2.9"]} if key == "hostname" else {}
    rest = yaml.safe_dump({"web": other}) if other else ""
    change = change_of((docker, yaml.safe_dump({"web": part})), (docker, rest))
    assert change.after == read(docker, rest)["web"]
    assert change.differences


@pytest.mark.parametrize("label", sorted(LABELS))
def test_what_a_label_said_is_at_its_default_without_it(label: str) -> None:
    full, less = (
        yaml.safe_dump({"web": {**SERVICE, "labels": labels}, "db": {"image": "bb:1"}})
        for labels in ({label: LABELS[label]}, {})
    )
    change = change_of((full, ""), (less, ""))
    wanted = read(less)["web"]
    assert change.after is not None
    assert (change.after.settings(), change.after.options) == (wanted.settings(), wanted.options)
    assert change.differences


@pytest.mark.parametrize("body", [SERVICE, BALANCER, ALIAS], ids=["service", "balancer", "alias"])
def test_links_that_are_no_longer_in_the_file_go(body: Options) -> None:
    full, less = (
        yaml.safe_dump({"web": {**each}, "db": {"image": "bb:1"}})
        for each in (body, {key: value for key, value in body.items() if key != "links"})
    )
    change = change_of((full, ""), (less, ""))
    assert change.after is not None
    assert change.after.links == {}
    assert change.differences


def test_each_key_of_rancher_compose_is_tried_or_kept_on_purpose() -> None:
    of_balancers = {"lb_config", "load_balancer_config", "default_cert", "certs"}
    assert OPTIONS.keys() | KEPT | OF_KINDS == KNOWN_KEYS - of_balancers


def test_the_upgrade_brings_the_defaults_and_the_preview_says_so(
    shop: Stack, actor_of: Any, go: Callable[[], str]
) -> None:
    bob = actor_of("bob")
    full = RANCHER.replace("scale: 2", "scale: 2, retain_ip: false, description: front, metadata: {a: 1}")
    stack_upgrade(shop, files(docker_compose=BEFORE, rancher_compose=full), actor=bob)
    assert go() == "upgraded"
    web = Service.all_objects.get(stack=shop, name="web")
    assert (web.description, web.metadata, web.address_settings) == ("front", {"a": 1}, {"retainIp": False})
    service_update(web, actor=bob, scale=3)
    less = files(docker_compose=BEFORE, rancher_compose="")
    draft = preview_upgrade(shop, less, actor=bob)
    step = next(each for each in draft.steps if each.change.name == "web")
    assert {each.field for each in step.change.differences} == {"description", "metadata", "retainIp"}
    assert "web: the file says no scale; it keeps 3." in draft.warnings
    stack_upgrade(shop, less, actor=bob)
    go()
    web.refresh_from_db()
    assert (web.description, web.metadata, web.address_settings, web.scale) == ("", {}, {}, 3)
    stack_upgrade(shop, files(docker_compose=BEFORE, rancher_compose=full), actor=bob)
    go()
    web.refresh_from_db()
    assert (web.description, web.metadata, web.scale) == ("front", {"a": 1}, 2)


def test_a_service_comes_to_each_host_by_a_file_and_back_to_a_number(
    shop: Stack, actor_of: Any, go: Callable[[], str]
) -> None:
    bob = actor_of("bob")
    label = "labels: {io.rancher.scheduler.global: 'true'}"
    for docker, rancher, scale in (
        (BEFORE.replace("'bb:local', links", f"'bb:local', {label}, links"), RANCHER, 2),
        (BEFORE, RANCHER.replace("scale: 2", "scale: 3"), 3),
    ):
        stack_upgrade(shop, files(docker_compose=docker, rancher_compose=rancher), actor=bob)
        assert go() == "upgraded"
        web = Service.all_objects.get(stack=shop, name="web")
        assert (web.scale, "io.rancher.scheduler.global" in web.config.labels) == (scale, scale == 2)
