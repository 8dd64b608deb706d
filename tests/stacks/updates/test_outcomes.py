"""What came of upgrades by policy, and what is held to a digest: pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.stacks.updates.outcomes import OPEN, UpgradeNow, describe_outcome, outcome_of
from apps.stacks.updates.pins import kept_pins, with_pin

GOING = UpgradeNow(revision=2, previous=1, current=2, phase="upgrading", state="upgrading", is_watched=True)
ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "going"),
        ({"state": "upgraded"}, "going"),
        ({"state": "upgraded", "is_watched": False}, "asked"),
        ({"phase": "", "state": "active", "is_watched": False}, "finished"),
        ({"phase": "", "state": "finishing-upgrade"}, "finished"),
        ({"phase": "canceled", "state": "canceling-upgrade"}, "going"),
        ({"phase": "canceled", "state": "canceled-upgrade", "is_watched": False}, "stopped"),
        ({"phase": "rolling-back", "state": "rolling-back", "current": 1}, "rolled-back"),
        ({"phase": "", "state": "active", "current": 1, "is_watched": False}, "rolled-back"),
        ({"phase": "upgrading", "current": 3}, "replaced"),
        ({"phase": "", "current": 7}, "replaced"),
        ({"is_gone": True}, "replaced"),
        ({"phase": "canceled-rollback", "current": 2, "is_watched": False}, "stopped"),
    ],
)
def test_an_upgrade_ends_as_its_service_says(changes: dict[str, object], outcome: str):
    assert outcome_of(replace(GOING, **changes)) == outcome  # type: ignore[arg-type]


@given(
    st.builds(
        UpgradeNow,
        revision=st.just(2),
        previous=st.just(1),
        current=st.integers(1, 4),
        phase=st.sampled_from(["", "upgrading", "canceled", "rolling-back", "canceled-rollback"]),
        state=st.sampled_from(["active", "upgrading", "upgraded", "canceled-upgrade", "rolling-back", "inactive"]),
        is_gone=st.booleans(),
        is_watched=st.booleans(),
    )
)
def test_what_is_not_of_its_revision_any_more_is_over(now: UpgradeNow):
    if now.current != now.revision or now.is_gone or not now.phase:
        assert outcome_of(now) not in OPEN


def test_an_outcome_is_said_with_the_reason_of_the_verdict():
    assert describe_outcome("finished", "All is well.") == ""
    assert describe_outcome("rolled-back", "They crash.").endswith("newer image appears. They crash.")
    assert describe_outcome("asked", "They run.") == "All containers are new: finish the upgrade, or roll it back."


def config(image: str, **labels: str) -> LaunchConfig:
    return LaunchConfig.from_wire({"imageUuid": f"docker:{image}", "labels": labels})


def test_a_container_is_made_from_the_name_with_the_digest():
    assert with_pin(config("web:1"), {"web:1": ONE}).image == f"web:1@{ONE}"
    assert with_pin(config("web:1"), {"web:1": ONE}).image_uuid == f"docker:web:1@{ONE}"
    assert with_pin(config("web:1"), {"web:2": ONE}).image == "web:1"
    assert with_pin(config("web:1"), {}) == config("web:1")


def test_a_pin_stays_with_its_image_and_goes_with_it():
    pins = {"web:1": ONE, "log:1": TWO}
    assert kept_pins(pins, [config("web:1"), config("log:1")]) == pins
    assert kept_pins(pins, [config("web:2"), config("log:1")]) == {"log:1": TWO}
    always = config("web:1", **{"io.rancher.container.pull_image": "always"})
    assert kept_pins(pins, [always]) == {}
