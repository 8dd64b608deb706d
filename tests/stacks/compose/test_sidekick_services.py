"""Sidekicks in compose files: read into their service, written back, and refused where they cannot be together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.core.errors import Invalid
from apps.stacks.compose import export, parse

FIRST = """
web:
  image: nginx
  labels: {io.rancher.sidekicks: "log, data"}
  volumes_from: [data]
  links: [db, log]
log:
  image: fluentd
  net: "container:web"
data:
  image: busybox
  labels: {io.rancher.container.start_once: 'true'}
db:
  image: postgres
  links: [data]
"""


@pytest.mark.parametrize("first_form", [True, False])
def test_a_unit_is_read_and_comes_back_the_same(first_form: bool) -> None:
    found = parse(FIRST, "web: {scale: 3}\nlog: {scale: 3}")
    web, db = found.services
    assert [name for name, _config in web.sidekicks] == ["log", "data"]
    assert (web.scale, web.links, db.links) == (3, (("db", "db"),), (("web", "data"),))
    assert web.config.data_volumes_from_launch_configs == ("data",)
    log = dict(web.sidekicks)["log"]
    assert (log.network_mode, log.network_launch_config) == ("container", "web")
    assert not found.warnings
    again = parse(*export(found.services, first_form=first_form)).services
    labels = {**web.config.labels, "io.rancher.sidekicks": "log,data"}
    assert again == (replace(web, config=replace(web.config, labels=labels)), db)


def test_a_scale_of_its_own_is_reported() -> None:
    assert "scale" in " ".join(parse(FIRST, "data: {scale: 2}").services[0].warnings)


REFUSALS = {
    "no such service": ("web: {image: a, labels: {io.rancher.sidekicks: x}}", "there is no service 'x'"),
    "two masters": (
        "a: &x {image: a, labels: {io.rancher.sidekicks: c}}\nb: *x\nc: {image: a}",
        "sidekick of a already",
    ),
    "a sidekick with sidekicks": (
        "a: {image: a, labels: {io.rancher.sidekicks: b}}\nb: {image: a, labels: {io.rancher.sidekicks: a}}",
        "has sidekicks itself",
    ),
    "its own": ("a: {image: a, labels: {io.rancher.sidekicks: a}}", "cannot be a sidekick"),
    "network of one without containers": (
        "a: {image: a, net: 'container:b'}\nb: {image: rancher/dns-service, links: [c]}\nc: {image: a}",
        "io.rancher.sidekicks",
    ),
    "volumes for two": (
        "a: {image: a, volumes_from: [c]}\nb: {image: a, volumes_from: [c]}\nc: {image: a}",
        "io.rancher.sidekicks",
    ),
    "volumes of another unit": (
        (
            "a: {image: a, labels: {io.rancher.sidekicks: b}}\nb: {image: a, volumes_from: [c]}\n"
            "c: {image: a, labels: {io.rancher.sidekicks: d}}\nd: {image: a}"
        ),
        "no 'c' in this service",
    ),
    "networks in a circle": (
        "a: {image: a, net: 'container:b'}\nb: {image: a, net: 'container:a'}",
        "in a circle",
    ),
    "a circle": (
        "a: {image: a, labels: {io.rancher.sidekicks: b}, volumes_from: [b]}\nb: {image: a, net: 'container:a'}",
        "in a circle",
    ),
    "read-only volumes": (
        "a: {image: a, labels: {io.rancher.sidekicks: b}, volumes_from: ['b:ro']}\nb: {image: a}",
        "name of a sidekick alone",
    ),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_cannot_be_together_is_refused_with_its_line(what: str) -> None:
    text, words = REFUSALS[what]
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert words in caught.value.message
    assert "line" in caught.value.message


SHARING = {
    "a network": ("a: {image: a, net: 'container:b'}\nb: {image: a}", {"b": ["a"]}, "a: it is a sidekick of b now"),
    "volumes": ("a: {image: a, volumes_from: [b]}\nb: {image: a}", {"a": ["b"]}, "b: it is a sidekick of a now"),
    "a network beside a label": (
        "a: {image: a, labels: {io.rancher.sidekicks: b}}\nb: {image: a}\nc: {image: a, net: 'container:b'}",
        {"a": ["b", "c"]},
        "c: it is a sidekick of a now, whose network it shares",
    ),
    "volumes of a sidekick": (
        "a: {image: a, labels: {io.rancher.sidekicks: b}}\nb: {image: a, volumes_from: [c]}\nc: {image: a}",
        {"a": ["b", "c"]},
        "c: it is a sidekick of a now, which takes its volumes",
    ),
    "a network and volumes": (
        "a: {image: a}\nb: {image: a, net: 'container:a', volumes_from: [c]}\nc: {image: a}",
        {"a": ["b", "c"]},
        "b: it is a sidekick of a now, whose network it shares",
    ),
}


@pytest.mark.parametrize("what", SHARING)
def test_services_that_share_without_a_label_become_a_unit_with_a_word(what: str) -> None:
    text, units, words = SHARING[what]
    found = parse(text)
    assert {each.name: sorted(name for name, _config in each.sidekicks) for each in found.services} == units
    assert any(words in each for service in found.services for each in service.warnings)


def test_a_unit_by_label_is_imported_without_a_word() -> None:
    assert not [text for each in parse(FIRST).services for text in each.warnings]


def test_what_a_sidekick_has_no_place_for_is_named() -> None:
    found = parse(FIRST, "web: {scale: 3}\nlog: {scale: 2, metadata: {a: 1}}\ndata: {scale_policy: {min: 1, max: 2}}")
    assert [each.partition(",")[0] for each in found.services[0].warnings] == [
        "log: its scale is that of web",
        "log: `metadata` is not carried over",
        "data: its scale is that of web",
    ]


def test_a_link_within_a_unit_under_another_name_is_named() -> None:
    unit = "web: {image: a, links: ['log%s'], labels: {io.rancher.sidekicks: log}}\nlog: {image: b}\n"
    (named,) = parse(unit % ":journal").services
    assert named.warnings == ("web: `links` to log as journal is not carried over: in a unit it is called log.",)
    assert parse(unit % "").services[0].warnings == ()
    assert named.links == ()


def test_what_has_no_containers_is_no_sidekick() -> None:
    text = FIRST.replace('image: fluentd\n  net: "container:web"', "image: rancher/dns-service\n  links: [db]")
    with pytest.raises(Invalid, match="log has no containers and cannot be a sidekick"):
        parse(text)
