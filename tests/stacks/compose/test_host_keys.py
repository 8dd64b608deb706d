"""Keys of compose that say how a container stands to its host are fields of it, in the units of compose."""

from __future__ import annotations

from typing import Any

import pytest

from apps.core.errors import Invalid
from apps.stacks.compose import ComposeService, parse


def web(keys: str) -> ComposeService:
    (found,) = parse(f"services:\n  web:\n    image: a\n    {keys}\n", stack_name="shop").services
    return found


@pytest.mark.parametrize(
    ("keys", "field", "value"),
    [
        ("userns_mode: host", "usernsMode", "host"),
        ("uts: host", "uts", "host"),
        ("platform: linux/amd64", "platform", "linux/amd64"),
        ("platform: linux/arm/v7", "platform", "linux/arm/v7"),
        ("cgroup: private", "cgroupnsMode", "private"),
        ("cgroup_parent: batch.slice", "cgroupParent", "batch.slice"),
        ("runtime: nvidia", "runtime", "nvidia"),
        ("annotations: {a.b/c: 1}", "annotations", {"a.b/c": "1"}),
        ("annotations: ['a=b']", "annotations", {"a": "b"}),
        ("device_cgroup_rules: ['c 1:3 mr', 'a *:* rwm']", "deviceCgroupRules", ["c 1:3 mr", "a *:* rwm"]),
        ("storage_opt: {size: 10G}", "storageOpt", {"size": "10G"}),
        ("cpu_rt_runtime: 400ms", "cpuRealtimeRuntime", 400_000),
        ("cpu_rt_runtime: 950us", "cpuRealtimeRuntime", 950),
        ("cpu_rt_period: 1400us", "cpuRealtimePeriod", 1400),
        ("cpu_rt_period: '11000'", "cpuRealtimePeriod", 11000),
    ],
)
def test_a_key_is_carried_over_without_a_note(keys: str, field: str, value: Any) -> None:
    found = web(keys)
    assert found.warnings == ()
    assert found.config.to_wire()[field] == value


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("userns_mode: keep", "`userns_mode`"),
        ("uts: private", "`uts`"),
        ("platform: windows/amd64", "only Linux runs here"),
        ("platform: linux", "linux/arm64"),
        ("cgroup: shared", "`cgroup`"),
        ("cgroup_parent: ../..", "batch.slice where systemd keeps them"),
        ("runtime: 'a b'", "`runtime`"),
        ("device_cgroup_rules: ['x 1:3 mr']", "c 189:* rwm"),
        ("device_cgroup_rules: ['c 1:3 rr']", "c 189:* rwm"),
        ("cpu_rt_runtime: soon", "write a time"),
        ("cpu_rt_runtime: 2s", "lower it, or raise the period"),
        ("storage_opt: {bar: 1}", "the only one is size"),
        ("storage_opt: {size: foo}", "as in 500M or 10G"),
        ("platform: linux/foo", "no image is made for the architecture"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(keys: str, words: str) -> None:
    with pytest.raises(Invalid, match=r"line 4: web: ") as refused:
        web(keys)
    assert words in refused.value.message


def test_a_selector_with_two_operators_is_refused() -> None:
    with pytest.raises(Invalid, match="'a==b==c' is no condition: it has two operators"):
        web("labels: {io.rancher.service.selector.container: a==b==c}")
