"""What a stack becomes by another file: the pure plan, service by service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.stacks.compose import ComposeService, export, parse
from apps.stacks.compose.exporter import HASH_LABEL
from apps.stacks.service_options import ServiceOptions
from apps.stacks.sidekicks import Sidekick, UnitConfig
from apps.stacks.stack_plan import ServiceState, by_name, plan_stack
from apps.stacks.stack_rollout import FINISHING, STEADY, is_waited_for, next_action
from apps.stacks.upgrade import CANCELED, ROLLING_BACK, UPGRADING


def read(text: str, rancher: str = "") -> dict[str, ServiceState]:
    return by_name(map(ServiceState.from_compose, parse(text, rancher, stack_name="shop").services))


def state(name: str = "web", image: str = "bb:1", **more: Any) -> ServiceState:
    fields = {key: more.pop(key) for key in list(more) if key in ServiceState.__dataclass_fields__}
    config = LaunchConfig.from_wire({"imageUuid": f"docker:{image}", **more})
    return ServiceState(name, UnitConfig(config), **fields)


def plan(before: dict[str, ServiceState], after: dict[str, ServiceState], **more: Any) -> dict[str, str]:
    return {each.name: each.what for each in plan_stack(before, after, **more)}


TWO = "web: {image: 'bb:1', links: [db]}\ndb: {image: pg}\n"


@pytest.mark.parametrize(
    ("text", "rancher", "expected"),
    [
        (TWO, "", {"web": "unchanged", "db": "unchanged"}),
        (TWO.replace("bb:1", "bb:2"), "", {"web": "upgrade", "db": "unchanged"}),
        (TWO, "web: {scale: 3}", {"web": "update", "db": "unchanged"}),
        (TWO.replace(", links: [db]", ""), "", {"web": "update", "db": "unchanged"}),
        (TWO + "new: {image: bb}\n", "", {"web": "unchanged", "db": "unchanged", "new": "create"}),
        ("web: {image: 'bb:1'}\n", "", {"web": "update", "db": "keep"}),
        (TWO, "web: {start_on_create: false}", {"web": "unchanged", "db": "unchanged"}),
        (TWO, "web: {upgrade_strategy: {batch_size: 2}}", {"web": "unchanged", "db": "unchanged"}),
        (TWO.replace("bb:1'", "bb:1', labels: {io.corral.lost_host: reschedule 90}"), "",
         {"web": "update", "db": "unchanged"}),
    ],
)  # fmt: skip
def test_what_becomes_of_each_service(text: str, rancher: str, expected: dict[str, str]) -> None:
    assert plan(read(TWO), read(text, rancher)) == expected


def test_containers_are_replaced_although_nothing_changes_when_that_is_requested() -> None:
    text = TWO + "out: {image: rancher/dns-service}\nnew: {image: bb}\n"
    found = plan_stack(read(TWO + "out: {image: rancher/dns-service}\n"), read(text), force=True)
    assert {each.name: each.what for each in found} == {
        "web": "upgrade",
        "db": "upgrade",
        "out": "unchanged",
        "new": "create",
    }
    assert all(each.replaces_primary for each in found if each.what == "upgrade")


def test_what_the_file_does_not_have_goes_only_when_asked() -> None:
    found = plan_stack(read(TWO), read("web: {image: 'bb:1'}\n"), remove_missing=True)
    assert {each.name: each.what for each in found} == {"web": "update", "db": "remove"}


def test_a_scale_that_a_file_leaves_open_stays() -> None:
    before = {"web": state(scale=4)}
    assert plan(before, read("web: {image: 'bb:1'}\n")) == {"web": "unchanged"}
    (change,) = plan_stack(before, read("web: {image: 'bb:2'}\n"))
    assert change.after is not None
    assert change.after.scale == 4


def test_settings_of_addresses_that_no_file_can_say_stay() -> None:
    options = ServiceOptions(address_settings={"retainIp": True, "vip": "192.0.2.7"})
    before, shown = {"web": state(options=options)}, read("web: {image: 'bb:1'}\n", "web: {retain_ip: true}\n")
    assert plan(before, shown, shown=shown) == {"web": "unchanged"}
    (change,) = plan_stack(before, read("web: {image: 'bb:1'}\n"), shown=shown)
    assert change.after is not None
    assert change.after.options.address_settings == {"vip": "192.0.2.7"}


def test_ids_and_notes_that_a_file_cannot_say_stay_and_a_clients_hash_does_not_outlive_a_change() -> None:
    before = {"web": state(requestedHostId="1h7", labels={HASH_LABEL: "abc", "tier": "front"})}
    shown = {"web": state(labels={"tier": "front"})}
    assert plan(before, shown, shown=shown) == {"web": "unchanged"}
    (change,) = plan_stack(before, {"web": state(image="bb:2", labels={"tier": "back"})}, shown=shown)
    assert change.after is not None
    config = change.after.unit.primary
    assert (config.image, config.requested_host_id, dict(config.labels)) == ("bb:2", "1h7", {"tier": "back"})


def test_another_kind_is_refused_with_the_way_out() -> None:
    (change,) = plan_stack(read("db: {image: pg}\n"), read("db: {image: rancher/external-service}\n",
                                                          "db: {external_ips: [192.0.2.1]}"))  # fmt: skip
    assert "db is of type service: remove it first" in change.problem


def test_secrets_are_not_in_the_differences() -> None:
    before = {
        "web": state(environment={"TOKEN": "hunter2-hunter2", "A": "1"}, metadata={"password": "hunter2-hunter2"})
    }
    after = {"web": state(environment={"TOKEN": "letmein-letmein"}, command=["run", "letmein-letmein"],
                          metadata={"password": "letmein-letmein"})}  # fmt: skip
    (change,) = plan_stack(before, after)
    assert {(each.field, each.key) for each in change.differences} >= {("environment", "TOKEN"), ("environment", "A")}
    assert "hunter2" not in repr(change.differences)
    assert "letmein" not in repr(change.differences)


def test_sidekicks_that_come_make_another_unit_and_one_that_changes_is_replaced_alone() -> None:
    alone, log = state(), Sidekick("log", LaunchConfig.from_wire({"imageUuid": "docker:log:1"}))
    both = replace(alone, unit=UnitConfig(alone.unit.primary, (log,)))
    other = replace(log, config=LaunchConfig.from_wire({"imageUuid": "docker:log:2"}))
    for before, after, replaces_primary in (
        (alone, both, True),
        (both, alone, True),
        (both, replace(both, unit=UnitConfig(alone.unit.primary, (other,))), False),
    ):
        (change,) = plan_stack({"web": before}, {"web": after})
        assert (change.what, change.replaces_primary) == ("upgrade", replaces_primary)


TEXTS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
STATES = st.builds(
    lambda image, labels, scale, description, env: state(
        image=image, labels=labels, scale=scale, description=description, environment=env
    ),
    TEXTS.map(str.lower),
    st.dictionaries(TEXTS, TEXTS, max_size=3),
    st.integers(0, 9),
    TEXTS,
    st.dictionaries(TEXTS, TEXTS, max_size=3),
)


@given(STATES, STATES)
def test_the_way_there_leads_there_and_the_way_back_leads_back(one: ServiceState, other: ServiceState) -> None:
    (there,) = plan_stack({"web": one}, {"web": other})
    assert there.after == other
    assert (there.what == "unchanged") == (not there.differences) == (one == other)
    (back,) = plan_stack({"web": there.after or one}, {"web": one})
    assert back.after == one
    assert plan({"web": one}, {"web": there.before or other}) == {"web": "unchanged"}


@given(STATES)
def test_what_is_kept_reads_back(one: ServiceState) -> None:
    assert ServiceState.from_json(one.to_json()).to_json() == one.to_json()


@given(STATES)
def test_an_export_that_nobody_edited_changes_nothing(one: ServiceState) -> None:
    row = ComposeService("web", one.unit.primary, scale=one.scale or 0, description=one.description)
    shown = read(*export([row], "shop"))
    assert plan({"web": one}, shown, shown=shown) == {"web": "unchanged"}


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("[1]", "upgrade_strategy must be a map"),
        ("{batch_size: 0}", "upgrade_strategy.batch_size must not be less than 1"),
        ("{interval_millis: soon}", "upgrade_strategy.interval_millis must be a whole number"),
        ("{surge: 1}", "'surge' is not known"),
    ],
)
def test_a_strategy_is_checked_and_refused_with_its_line(part: str, message: str) -> None:
    with pytest.raises(Invalid, match="line 2") as refused:
        parse("web: {image: bb}\n", f"web:\n  upgrade_strategy: {part}\n")
    assert message in refused.value.message
    assert refused.value.field == "rancherCompose"


def test_a_strategy_is_read() -> None:
    text = "web: {upgrade_strategy: {batch_size: 2, interval_millis: 500, start_first: true}}"
    assert read("web: {image: bb}\n", text)["web"].strategy == {
        "batchSize": 2,
        "intervalMillis": 500,
        "startFirst": True,
    }


@pytest.mark.parametrize(
    ("phase", "kind", "state", "action"),
    [
        (CANCELED, "upgrade", "upgrading", "cancelupgrade"),
        (CANCELED, "upgrade", "upgraded", ""),
        (CANCELED, "create", "activating", ""),
        (ROLLING_BACK, "create", "activating", "remove"),
        (ROLLING_BACK, "create", "removing", ""),
        (ROLLING_BACK, "remove", "inactive", "activate"),
        (ROLLING_BACK, "remove", "active", ""),
        (ROLLING_BACK, "back", "upgraded", "finishupgrade"),
        (FINISHING, "upgrade", "upgraded", "finishupgrade"),
        (FINISHING, "upgrade", "active", ""),
        (FINISHING, "remove", "inactive", "remove"),
        (FINISHING, "create", "active", ""),
        (UPGRADING, "upgrade", "upgraded", ""),
    ],
)
def test_what_is_requested_of_a_service_next(phase: str, kind: str, state: str, action: str) -> None:
    assert next_action(phase, kind, state, was_active=True) == action
    if action:
        assert is_waited_for(phase, kind, state, was_active=True)


@given(st.sampled_from(sorted(STEADY)), st.sampled_from(["create", "upgrade", "update", "remove", "back"]))
def test_a_service_at_rest_is_not_waited_for_for_ever(phase: str, kind: str) -> None:
    """Either something is requested of it, or it is done: no state without an exit."""
    for state in ("active", "inactive", "upgraded", "canceled-upgrade", "canceled-rollback"):
        if is_waited_for(phase, kind, state, was_active=True):
            assert next_action(phase, kind, state, was_active=True)


def test_sidekicks_that_share_network_or_volumes_with_what_changes_are_said_to_be_recreated() -> None:
    def state(image: str) -> ServiceState:
        shared = LaunchConfig.from_wire({"imageUuid": "docker:log", "networkLaunchConfig": "web"})
        alone = LaunchConfig.from_wire({"imageUuid": "docker:job"})
        primary = LaunchConfig.from_wire({"imageUuid": f"docker:{image}"})
        return ServiceState("web", UnitConfig(primary, (Sidekick("logger", shared), Sidekick("job", alone))))

    (change,) = plan_stack({"web": state("a")}, {"web": state("b")})
    assert change.replaced is not None
    assert (change.replaced.primary, change.replaced.following, change.replaced.staying) == (
        True,
        ("logger",),
        ("job",),
    )
    (same,) = plan_stack({"web": state("a")}, {"web": state("a")})
    assert same.replaced is None
