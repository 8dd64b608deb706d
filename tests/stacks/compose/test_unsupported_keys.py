"""Keys without which a container would run wrongly are refused with a remedy; placement becomes rules."""

from __future__ import annotations

import pytest

from apps.core.errors import Invalid
from apps.hosts.affinity import parse_rules
from apps.stacks.compose import ComposeService, export, parse

HOST = "io.rancher.scheduler.affinity:host_label"
CONTAINER = "io.rancher.scheduler.affinity:container_label_ne"


def web(keys: str) -> ComposeService:
    (found,) = parse(f"services:\n  web:\n    image: a\n    {keys}\n", stack_name="shop").services
    return found


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("secrets: [token]", "`secrets`: secrets are not supported"),
        ("secrets: [{source: token, target: t}]", "hand the values over in `environment`"),
        ("configs: [site]", "`configs`: configs are not supported"),
        ("gpus: all", "`gpus`: gpus is not supported"),
        ("gpus: [{driver: nvidia, count: 1}]", "name the device files under `devices`"),
        ("credential_spec: {file: a.json}", "hosts that run Windows"),
        ("isolation: hyperv", "hosts that run Windows"),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}", "`resources.reservations.devices`"),
        (
            "deploy: {resources: {reservations: {generic_resources: [{discrete_resource_spec: {kind: gpu}}]}}}",
            "`resources.reservations.generic_resources`",
        ),
        ("deploy: {placement: {constraints: ['node.role==manager']}}", "'node.role==manager' cannot be checked"),
        ("deploy: {placement: {constraints: ['node.labels.a==b,c']}}", "node.labels.NAME==VALUE"),
        ("deploy: {mode: global-job}", "`deploy`: `mode: global-job` is not supported"),
        ("deploy: {mode: replicated-job}", "set the label io.rancher.container.start_once"),
        ("deploy: {placement: {preferences: [{spread: node.labels.zone}]}}", "`placement.preferences`"),
        ("deploy: {placement: {max_replicas_per_node: 2}}", "`placement.max_replicas_per_node`: 2"),
    ],
)
def test_a_key_that_cannot_be_honoured_is_refused_with_its_line_and_a_remedy(keys: str, words: str):
    with pytest.raises(Invalid, match=r"line 4: web: ") as refused:
        web(keys)
    assert refused.value.code == "InvalidOption"
    assert words in refused.value.message


@pytest.mark.parametrize(
    "keys", ["secrets: []", "configs: []", "gpus: []", "isolation: default", "deploy: {placement: {constraints: []}}"]
)
def test_a_key_that_says_nothing_is_not_refused(keys: str):
    assert (web(keys).config, web(keys).warnings) == (web("").config, ())


def test_constraints_become_rules_about_hosts_beside_those_of_labels():
    constraints = "['node.labels.disk == ssd', 'node.labels.zone!=b', 'node.platform.os == linux']"
    found = web(f"labels: {{{HOST}: gpu=no}}\n    deploy: {{placement: {{constraints: {constraints}}}}}")
    assert found.warnings == ()
    assert found.config.labels == {HOST: "gpu=no,disk=ssd", f"{HOST}_ne": "zone=b"}
    rules = {(each.name, each.value, each.wanted, each.soft) for each in parse_rules(found.config.labels)}
    assert rules == {("gpu", "no", True, False), ("disk", "ssd", True, False), ("zone", "b", False, False)}
    assert parse(*export([found], "shop"), stack_name="shop").services == (found,)


def test_one_container_for_each_host_at_most_becomes_a_rule_that_follows_the_stack():
    found = web("deploy: {replicas: 3, placement: {max_replicas_per_node: 1}}")
    assert found.config.labels == {CONTAINER: "io.rancher.stack_service.name=${stack_name}/${service_name}"}
    (rule,) = parse_rules({**found.config.labels, "io.rancher.stack_service.name": "shop/web"})
    assert (rule.label, rule.wanted, rule.soft) == ("io.rancher.stack_service.name=shop/web", False, False)
    assert parse(*export([found], "shop"), stack_name="copy").services == (found,)
