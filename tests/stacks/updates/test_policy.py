"""Policies for newer images: read, written, and when their windows are open."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.containers.launch.config import LaunchConfig
from apps.core.errors import Invalid
from apps.stacks.updates.policy import (
    UPDATE_LABEL,
    UpdatePolicy,
    parse_policy,
    parse_policy_text,
    policy_from_labels,
    with_policy_label,
)

NIGHT = UpdatePolicy("upgrade", "MON-FRI", "02:00", "05:00", "Europe/Berlin")
OVER_MIDNIGHT = UpdatePolicy("upgrade", "FRI", "23:00", "01:30", "UTC")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("policy", "at", "is_open"),
    [
        (NIGHT, "2026-11-30 01:00", True),  # Monday, 02:00 in Berlin
        (NIGHT, "2026-11-30 00:59", False),
        (NIGHT, "2026-11-30 03:59", True),
        (NIGHT, "2026-11-30 04:00", False),
        (NIGHT, "2026-11-29 02:00", False),  # Sunday
        (NIGHT, "2026-07-01 00:30", True),  # in summer Berlin is two hours ahead
        (OVER_MIDNIGHT, "2026-12-04 22:59", False),
        (OVER_MIDNIGHT, "2026-12-04 23:00", True),
        (OVER_MIDNIGHT, "2026-12-05 01:29", True),  # Saturday, of Friday's window
        (OVER_MIDNIGHT, "2026-12-05 01:30", False),
        (OVER_MIDNIGHT, "2026-12-05 23:10", False),
        (UpdatePolicy("upgrade", "*", "00:00", "00:00"), "2026-12-05 13:00", True),
        (UpdatePolicy("upgrade"), "2026-12-05 13:00", True),
        (UpdatePolicy("notify"), "2026-12-05 13:00", False),
        (UpdatePolicy("never"), "2026-12-05 13:00", False),
    ],
)
def test_a_window_is_open_from_its_beginning_to_its_end(policy: UpdatePolicy, at: str, is_open: bool):
    assert policy.is_open(utc(at)) is is_open


def test_a_window_in_the_hour_that_is_skipped_comes_all_the_same():
    """Berlin's clocks go from 02:00 to 03:00 on the last Sunday of March."""
    policy = UpdatePolicy("upgrade", "SUN", "02:30", "03:30", "Europe/Berlin")
    assert any(policy.is_open(utc(f"2026-03-29 0{hour}:{minute}")) for hour in (1, 2) for minute in ("05", "20", "35"))


def test_the_next_window_is_known_beforehand():
    assert NIGHT.next_open(utc("2026-11-28 12:00")) == utc("2026-11-30 01:00")
    assert NIGHT.next_open(utc("2026-11-30 01:20")) == utc("2026-11-30 01:20")
    assert UpdatePolicy("notify").next_open(utc("2026-11-30 01:20")) is None


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("notify", "notify"),
        ("never", "never"),
        ("upgrade", "upgrade"),
        ("  upgrade   mon-fri 02:00-05:00  Europe/Berlin ", "upgrade MON-FRI 02:00-05:00 Europe/Berlin"),
        ("upgrade * 22:00-04:00", "upgrade * 22:00-04:00 UTC"),
        ("upgrade SAT,SUN 00:00-00:00 UTC", "upgrade SAT,SUN 00:00-00:00 UTC"),
    ],
)
def test_a_policy_in_one_line_reads_back(text: str, written: str):
    found = parse_policy_text(text, "x")
    assert str(found) == written
    assert parse_policy_text(written, "x") == found
    assert found is not None
    assert UpdatePolicy.from_json(found.to_json()) == found
    assert parse_policy(found.to_json()) == found


@pytest.mark.parametrize(
    "text",
    [
        "always",
        "notify MON 02:00-05:00",
        "upgrade 02:00-05:00",
        "upgrade MON 02:00",
        "upgrade MON 2:00-05:00",
        "upgrade MON 02:00-24:00",
        "upgrade XYZ 02:00-05:00",
        "upgrade MON#1 02:00-05:00",
        "upgrade MON 02:00-05:00 Mars/Base",
        "upgrade MON 02:00-05:00 UTC more",
    ],
)
def test_a_line_that_is_no_policy_is_refused_with_the_labels_name(text: str):
    with pytest.raises(Invalid) as refused:
        policy_from_labels({UPDATE_LABEL: text})
    assert refused.value.field == "labels"
    assert UPDATE_LABEL in refused.value.message


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ("upgrade", "imageUpdatePolicy"),
        ([], "imageUpdatePolicy"),
        ({"mode": 7}, "imageUpdatePolicy.mode"),
        ({"mode": "upgrade", "day": "MON"}, "imageUpdatePolicy.day"),
        ({"mode": "upgrade", "from": "noon"}, "imageUpdatePolicy.from"),
        ({"mode": "upgrade", "to": "5"}, "imageUpdatePolicy.to"),
        ({"mode": "upgrade", "days": "MON FRI"}, "imageUpdatePolicy.days"),
        ({"mode": "upgrade", "from": "01:00", "timeZone": "x"}, "imageUpdatePolicy.timeZone"),
    ],
)
def test_what_a_client_sends_wrong_is_named(sent: Any, field: str):
    with pytest.raises(Invalid) as refused:
        parse_policy(sent)
    assert refused.value.field == field


def test_nothing_sent_means_the_environments_policy():
    assert parse_policy(None) is None
    assert parse_policy({}) is None
    assert policy_from_labels({}) == {}


def test_a_compose_label_is_written_and_read_without_loss():
    config = LaunchConfig.from_wire({"imageUuid": "docker:web", "labels": {"a": "b"}})
    labelled = with_policy_label(config, NIGHT.to_json())
    assert labelled.labels == {"a": "b", UPDATE_LABEL: "upgrade MON-FRI 02:00-05:00 Europe/Berlin"}
    assert policy_from_labels(labelled.labels) == NIGHT.to_json()
    assert with_policy_label(labelled, {}).labels == {"a": "b"}


@given(st.text(max_size=60))
def test_any_text_is_a_policy_or_refused(text: str):
    try:
        found = parse_policy_text(text, "x")
    except Invalid:
        return
    assert found is None or parse_policy_text(str(found), "x") == found
