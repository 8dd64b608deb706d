"""What differs between two launch configurations: field by field, and never a secret."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.launch.config import LAUNCH_FIELDS, LaunchConfig
from apps.stacks.revision_diff import diff_configs, label_of
from apps.stacks.sidekicks import Sidekick, UnitConfig


def config(**more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": "docker:bb:local", **more})


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str, str, str]]]] = {
    "nothing": ({"ports": ["80"]}, {"ports": ["80"]}, []),
    "another image": (
        {},
        {"imageUuid": "docker:bb:new"},
        [("Image", "changed", "docker:bb:local", "docker:bb:new")],
    ),
    "a command": ({}, {"command": ["sleep", "9"]}, [("Command", "added", "", '["sleep", "9"]')]),
    "another memory": ({"memory": 8 << 20}, {"memory": 9 << 20}, [("Memory", "changed", "8388608", "9437184")]),
    "a label more, one less": (
        {"labels": {"a": "1", "b": "2"}},
        {"labels": {"b": "3", "c": "4"}},
        [
            ("Label: a", "removed", "1", ""),
            ("Label: b", "changed", "2", "3"),
            ("Label: c", "added", "", "4"),
        ],
    ),
    "a variable's value": (
        {"environment": {"A": "old-value", "GONE": "x"}},
        {"environment": {"A": "new-value", "NEW": ""}},
        [
            ("Environment: A", "changed", "********", "********"),
            ("Environment: GONE", "removed", "********", ""),
            ("Environment: NEW", "added", "", "********"),
        ],
    ),
    "volumes": (
        {"dataVolumes": ["/a:/a", "/b:/b"]},
        {"dataVolumes": ["/b:/b", "/c:/c"]},
        [("Volumes", "removed", "/a:/a", ""), ("Volumes", "added", "", "/c:/c")],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_kind_of_field(case: str) -> None:
    before, after, wanted = CASES[case]
    found = [
        (each.name, each.change, each.before, each.after) for each in diff_configs(config(**before), config(**after))
    ]
    assert [(change, old, new) for _name, change, old, new in found] == [line[1:] for line in wanted]
    assert [name.partition(": ")[2] for name, *_rest in found] == [line[0].partition(": ")[2] for line in wanted]


def test_a_secret_that_is_repeated_in_a_command_is_not_shown() -> None:
    before = config(environment={"DB_PASSWORD": "hunter2hunter2"}, command=["run", "--pw", "hunter2hunter2"])
    after = config(environment={"DB_PASSWORD": "correcthorse"}, command=["run", "--pw", "correcthorse"])
    text = repr(diff_configs(before, after))
    assert "DB_PASSWORD" in text
    assert "hunter2" not in text
    assert "correcthorse" not in text


def test_a_short_secret_does_not_blot_out_ordinary_text() -> None:
    (found,) = diff_configs(
        config(environment={"API_KEY": "1"}), config(environment={"API_KEY": "1"}, imageUuid="docker:bb:1")
    )
    assert (found.before, found.after) == ("docker:bb:local", "docker:bb:1")


def test_sidekicks_are_compared_by_name_after_the_primary() -> None:
    before = UnitConfig(config(), (Sidekick("log", config(pidsLimit=64)), Sidekick("same", config(), 1)))
    after = UnitConfig(config(pidsLimit=9), (Sidekick("same", config(), 2), Sidekick("log", config(pidsLimit=128), 2)))
    found = [(each.sidekick, each.field, each.change, each.before, each.after) for each in diff_configs(before, after)]
    assert found == [("", "pidsLimit", "added", "", "9"), ("log", "pidsLimit", "changed", "64", "128")]


def test_a_sidekick_that_one_has_alone_is_added_or_removed_field_by_field() -> None:
    alone, both = UnitConfig(config()), UnitConfig(config(), (Sidekick("token", config(command=["x"])),))
    for before, after, change in ((alone, both, "added"), (both, alone, "removed")):
        found = diff_configs(before, after)
        assert {(each.sidekick, each.change) for each in found} == {("token", change)}
        assert {each.before or each.after for each in found} >= {"docker:bb:local", '["x"]'}


def test_a_secret_of_one_member_that_another_repeats_is_not_shown() -> None:
    primary = config(environment={"DB_PASSWORD": "hunter2hunter2"})
    before = UnitConfig(primary, (Sidekick("log", config(command=["--pw", "hunter2hunter2"])),))
    after = UnitConfig(config(), (Sidekick("log", config(environment={"DB_PASSWORD": "correcthorse"})),))
    text = repr(diff_configs(before, after)) + repr(diff_configs(after, before))
    assert "--pw" in text
    assert "hunter2" not in text
    assert "correcthorse" not in text


values = st.text("xyz", min_size=5, max_size=8)
variables = st.dictionaries(st.sampled_from(["A", "B", "TOKEN"]), values.map(lambda text: f"value-{text}"))


@given(variables, variables)
def test_no_value_of_a_variable_is_ever_shown(before: dict[str, str], after: dict[str, str]) -> None:
    found = diff_configs(config(environment=before), config(environment=after))
    assert {each.key for each in found} == {name for name in {*before, *after} if before.get(name) != after.get(name)}
    assert "value-" not in repr(found)


@pytest.mark.parametrize("name", [each.name for each in LAUNCH_FIELDS])
def test_every_field_of_a_configuration_has_a_label_in_words(name: str) -> None:
    assert label_of(name)[0].isupper(), name
    assert label_of(name) != name


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"memory": 64 << 20}, "64.0 MB"),
        ({"memory": (6 << 20) + 1}, "6,291,457 bytes"),
        ({"memory": 64 << 20, "memorySwap": -1}, "-1"),
        ({"milliCpuReservation": 500}, "0.5"),
        ({"cpuShares": 512}, "512"),
    ],
)
def test_amounts_are_shown_as_the_form_has_them_and_kept_as_they_are(fields: dict[str, Any], text: str) -> None:
    change = diff_configs(config(), config(**fields))[-1]
    assert change.after_as_typed == text
    assert change.before_as_typed == ""
    assert change.after == str(list(fields.values())[-1])
