"""One account's flood of requests is refused with 429 and when to come back; others do not notice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.api.wire import throttles
from apps.api.wire.token_bucket import MAX_CALLERS, TokenBuckets


@given(st.integers(1, 50), st.lists(st.floats(0, 10), max_size=200))
def test_in_any_stretch_of_time_no_more_than_the_bucket_and_what_flows_in(capacity: int, pauses: list[float]):
    now = 0.0
    buckets = TokenBuckets(capacity, 10.0, lambda: now)
    allowed = []
    for pause in pauses:
        now += pause
        if not buckets.take("a"):
            allowed.append(now)
    for at, first in enumerate(allowed):
        for count, last in enumerate(allowed[at:], start=1):
            assert count <= capacity + (last - first) * capacity / 10 + 1e-6


@given(st.integers(1, 50), st.floats(0.1, 100))
def test_who_waits_as_long_as_announced_is_served(capacity: int, period: float):
    now = 0.0
    buckets = TokenBuckets(capacity, period, lambda: now)
    for _ in range(capacity):
        assert buckets.take("a") == 0
    wait = buckets.take("a")
    assert wait > 0
    assert buckets.take("b") == 0
    now += wait * 1.001
    assert buckets.take("a") == 0


def test_the_memory_is_bounded():
    buckets = TokenBuckets(1, 60.0)
    for number in range(MAX_CALLERS + 5):
        buckets.take(number)
    assert len(buckets._levels) == MAX_CALLERS


@pytest.fixture
def three_a_day(settings: Any) -> None:
    rates = {**settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], "account": "3/day"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    throttles.buckets_at.cache_clear()


def test_an_account_is_limited_with_all_its_keys_together(three_a_day: None, api_of: Any, key_of: Any, lab: Any):
    alice, key = api_of("alice"), key_of("alice")
    assert [api.get("projects").status for api in (alice, key, alice)] == [200, 200, 200]
    for api in (alice, key):
        refused = api.get("projects")
        assert (refused.status, refused["code"]) == (429, "Too Many Requests")
        assert 28_000 < int(refused.headers["Retry-After"]) <= 28_801
    assert api_of("bob").get("projects").status == 200
    assert api_of("nobody").get("").status == 401


def test_without_a_rate_there_is_no_limit(api_of: Any):
    assert throttles.buckets_at(None) is None
    assert {api_of("alice").get("projects").status for _ in range(5)} == {200}
