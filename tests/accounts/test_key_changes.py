"""New limits for an existing key: what is a change, and what widens it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from apps.accounts.key_limits import changed_limits, widens_limits
from apps.core.errors import Invalid

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def key(expires: datetime | None = None, *addresses: str) -> Any:
    return SimpleNamespace(expires=expires, addresses=list(addresses))


@pytest.mark.parametrize(
    ("has", "requested"),
    [
        (key(), {}),
        (key(NOON - HOUR), {"expires": NOON - HOUR}),
        (key(NOON - HOUR), {"expires": NOON - HOUR + timedelta(milliseconds=999)}),
        (key(), {"expires": None, "addresses": []}),
        (key(None, "10.0.0.1/32"), {"addresses": ["10.0.0.1"]}),
    ],
)
def test_what_is_given_back_as_it_was_is_no_change(has: Any, requested: dict[str, Any]):
    assert changed_limits(has, None, requested, NOON) == {}


@pytest.mark.parametrize(
    ("has", "requested", "found"),
    [
        (key(), {"expires": NOON + HOUR}, {"expires": NOON + HOUR}),
        (key(NOON + HOUR), {"expires": None}, {"expires": None}),
        (key(NOON - HOUR), {"expires": NOON + HOUR}, {"expires": NOON + HOUR}),
        (key(), {"addresses": ["10.0.0.1"]}, {"addresses": ["10.0.0.1/32"]}),
        (key(None, "10.0.0.1/32"), {"addresses": []}, {"addresses": []}),
    ],
)
def test_a_person_changes_limits_freely(has: Any, requested: dict[str, Any], found: dict[str, Any]):
    assert changed_limits(has, None, requested, NOON) == found


@pytest.mark.parametrize(
    ("requested", "field"),
    [
        ({"expires": NOON}, "expires"),
        ({"expires": NOON + 3 * HOUR}, "expires"),
        ({"addresses": ["11.0.0.1"]}, "addresses"),
        ({"addresses": ["x"]}, "addresses"),
    ],
)
def test_a_key_gives_no_more_than_it_has(requested: dict[str, Any], field: str):
    with pytest.raises(Invalid) as refusal:
        changed_limits(key(), key(NOON + 2 * HOUR, "10.0.0.0/8"), requested, NOON)
    assert refusal.value.field == field


def test_a_key_that_takes_limits_away_leaves_its_own():
    found = changed_limits(
        key(NOON + HOUR, "10.1.0.0/16"), key(NOON + 2 * HOUR, "10.0.0.0/8"), {"expires": None, "addresses": []}, NOON
    )
    assert found == {"expires": NOON + 2 * HOUR, "addresses": ["10.0.0.0/8"]}


@pytest.mark.parametrize(
    ("has", "changed", "wider"),
    [
        (key(), {}, False),
        (key(), {"expires": NOON}, False),
        (key(NOON), {"expires": NOON - HOUR}, False),
        (key(NOON), {"expires": NOON + HOUR}, True),
        (key(NOON), {"expires": None}, True),
        (key(NOON, "10.0.0.0/8"), {"expires": NOON - HOUR, "addresses": []}, True),
        (key(None, "10.0.0.0/8"), {"addresses": ["10.1.0.0/16"]}, False),
        (key(None, "10.0.0.0/8"), {"addresses": ["10.1.0.0/16", "11.0.0.0/8"]}, True),
        (key(None, "10.0.0.0/8"), {"addresses": ["::1/128"]}, True),
        (key(), {"addresses": ["::1/128"]}, False),
    ],
)
def test_what_is_wider(has: Any, changed: dict[str, Any], *, wider: bool):
    assert widens_limits(has, changed) is wider
