"""What the rows of a Rancher server mean for a move."""

from __future__ import annotations

import pytest

from corral_cli import rancher_facts as facts


@pytest.mark.parametrize(
    ("project", "runs_on"),
    [
        ({}, "cattle"),
        ({"orchestration": "swarm"}, "swarm"),
        ({"kubernetes": True}, "kubernetes"),
        ({"mesos": 0}, "cattle"),
    ],
)
def test_what_schedules_an_environment(project: dict[str, object], runs_on: str):
    assert facts.orchestration(project) == runs_on


def test_stacks_of_the_server_itself_are_known_with_what_takes_their_place():
    assert "network" in facts.infrastructure({"externalId": "catalog://library:infra*ipsec:15"})
    assert "old server" in facts.infrastructure({"name": "odd", "system": True})
    assert "old server" in facts.infrastructure({"name": "dns", "externalId": "system://dns"})
    assert "agents" in facts.infrastructure({"externalId": "system-catalog://library:infra*healthcheck:6"})
    assert facts.infrastructure({"externalId": "catalog://community:ghost:3", "name": "ipsec"}) == ""
    assert facts.catalog_template({"externalId": "catalog://community:ghost:3"}) == "community:ghost"


def test_a_stack_comes_after_those_that_it_links_to():
    needs = {"a": {"b", "elsewhere"}, "b": {"c"}, "c": set(), "x": {"y"}, "y": {"x"}}
    ordered = facts.in_order(["a", "b", "c", "x", "y"], needs)
    assert sorted(ordered) == ["a", "b", "c", "x", "y"]
    assert ordered.index("c") < ordered.index("b") < ordered.index("a")
    deep = {f"s{number}": {f"s{number + 1}"} for number in range(5000)}
    assert len(facts.in_order(list(deep), deep)) == 5000


def test_volumes_are_declared_where_the_file_does_not_do_it():
    bare = "version: '2'\nservices:\n  db: {image: a}\n"
    assert facts.with_existing_volumes(bare, []) == bare
    assert facts.with_existing_volumes(bare, ["data"]) == f'{bare}volumes:\n  "data":\n    external: true\n'
    some = "version: '2'\nvolumes:\n    one:\n        driver: nfs\nservices:\n    db: {image: a}\n"
    assert 'volumes:\n    "data":\n      external: true\n    one:\n' in facts.with_existing_volumes(some, ["data"])


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        ("", []),
        (
            '{"catalogs": {"library": {"url": "https://a"}, "ours": {"url": "https://u:p@b/c"}}}',
            [("ours", "https://b/c")],
        ),
        ("library=https://a,ours=https://u:p@b/c", [("ours", "https://b/c")]),
        ("[]", []),
        ('{"catalogs": [1]}', []),
        ("nonsense", []),
    ],
)
def test_catalogs_are_read_from_either_form_of_the_setting(setting: str, found: list[tuple[str, str]]):
    assert facts.catalogs_of(setting) == found


def test_labels_that_the_agent_finds_out_itself_are_not_carried():
    labels = {"zone": "a", "io.rancher.host.docker_version": "17.03"}
    assert facts.own_labels({"labels": labels}) == {"zone": "a"}
    assert facts.own_labels({"labels": None}) == {}
