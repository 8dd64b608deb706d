"""What an upgrade makes anew of a unit, and what it leaves in place."""

from __future__ import annotations

from typing import Any

import pytest

from apps.containers.launch.config import LaunchConfig
from apps.stacks.replaced_members import ReplacedMembers, replaced_members
from apps.stacks.sidekicks import Sidekick, UnitConfig


def config(image: str = "a", **more: Any) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": f"docker:{image}", **more})


def unit(image: str = "a", **sidekicks: LaunchConfig) -> UnitConfig:
    return UnitConfig(config(image), tuple(Sidekick(name, each) for name, each in sidekicks.items()))


ON_WEB: dict[str, Any] = {"networkLaunchConfig": "web", "networkMode": "container"}
FROM_LOG: dict[str, Any] = {"dataVolumesFromLaunchConfigs": ["log"]}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (unit(), unit("b"), ReplacedMembers(True)),
        (unit(), unit(), ReplacedMembers(True)),
        (unit(log=config()), unit(log=config("b")), ReplacedMembers(False, changed=("log",))),
        (unit(log=config()), unit("b", log=config()), ReplacedMembers(True, staying=("log",))),
        (
            unit(log=config(**ON_WEB)),
            unit("b", log=config(**ON_WEB)),
            ReplacedMembers(True, following=("log",)),
        ),
        (
            unit(log=config(**ON_WEB), up=config(**FROM_LOG), cron=config()),
            unit("b", log=config(**ON_WEB), up=config(**FROM_LOG), cron=config()),
            ReplacedMembers(True, following=("log", "up"), staying=("cron",)),
        ),
        (unit(), unit(log=config()), ReplacedMembers(True, added=("log",))),
        (unit(up=config()), unit(up=config(), log=config()), ReplacedMembers(False, added=("log",), staying=("up",))),
        (unit(log=config()), unit(), ReplacedMembers(False, removed=("log",))),
    ],
)
def test_what_changes_is_made_anew_with_what_uses_it(before: UnitConfig, after: UnitConfig, expected: ReplacedMembers):
    assert replaced_members("web", before, after) == expected
