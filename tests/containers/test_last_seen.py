"""When the portal last saw a container: at its own reconcile, or its host's while that answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.containers.models import Container
from apps.containers.selectors import last_seen
from apps.hosts.models import Host

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
CHANGED, OBSERVED = NOW - timedelta(hours=3), NOW - timedelta(seconds=40)
ID = "c" * 64


def box(host: Host | None, observed: datetime | None = CHANGED, external_id: str = ID) -> Container:
    return Container(host=host, observed_at=observed, external_id=external_id)


def machine(shown: str = "active", seen: datetime | None = OBSERVED, lost: datetime | None = None) -> Host:
    row = Host(seen_at=seen, lost_at=lost)
    row.display_state = shown
    return row


@pytest.mark.parametrize("shown", ["active", "inactive", "deactivating", "evacuating"])
def test_a_host_that_answers_confirms_what_is_on_it(shown: str) -> None:
    assert last_seen(box(machine(shown))) == OBSERVED


def test_an_observation_of_the_container_itself_may_be_newer() -> None:
    assert last_seen(box(machine(), observed=NOW)) == NOW


@pytest.mark.parametrize(
    "host",
    [
        machine("reconnecting", lost=NOW),
        machine("disconnected", lost=NOW),
        machine("reconnecting"),
        machine("deactivating", lost=NOW),
        machine("error"),
    ],
)
@pytest.mark.parametrize("observed", [CHANGED, NOW, None])
def test_nothing_is_newer_than_the_last_answer_of_a_host_that_is_away(host: Host, observed: datetime | None) -> None:
    assert last_seen(box(host, observed)) == OBSERVED


@pytest.mark.parametrize(("observed", "when"), [(CHANGED, CHANGED), (None, None)])
def test_what_no_engine_has_is_not_confirmed_by_a_host(observed: datetime | None, when: datetime | None) -> None:
    assert last_seen(box(machine(), observed, external_id="")) == when
    assert last_seen(box(None, observed, external_id="")) == when


def test_what_no_engine_has_was_never_seen_on_a_host_that_is_away() -> None:
    assert last_seen(box(machine("disconnected", lost=NOW), NOW, external_id="")) is None


@pytest.mark.parametrize(("observed", "when"), [(CHANGED, CHANGED), (None, None)])
def test_a_host_that_was_never_seen_confirms_nothing(observed: datetime | None, when: datetime | None) -> None:
    assert last_seen(box(machine(seen=None), observed)) == when


def test_what_was_just_taken_in_counts_from_the_listing_that_found_it() -> None:
    assert last_seen(box(machine(), observed=None)) == OBSERVED
