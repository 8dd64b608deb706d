"""The loop comes to the right end whatever is lost, doubled, late or broken on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.models import ApiKey
from apps.control import reconcile as loop
from apps.control.kinds import KINDS, requeue_owners
from apps.control.models import Operation
from apps.control.reconcile import (
    MAX_BACKOFF,
    due_rows,
    extend_lease,
    fail_overdue,
    reconcile_one,
    reconcile_until_idle,
    release_all_leases,
)
from apps.control.services import request_change
from apps.core.result import ReconcileResult
from apps.environments.actor import Actor

Actors = Callable[..., Actor]


class Crash(BaseException):
    """The process dies: nothing catches it."""


def reload(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


def operation_of(key: ApiKey) -> Operation:
    """The newest operation on the key."""
    found: Operation = Operation.all_objects.filter(kind="apiKey", target=key.pk).order_by("-pk")[0]
    return found


PAST = timedelta(seconds=-1)


def make_due(key: ApiKey) -> None:
    """The time of the next look has come."""
    ApiKey.all_objects.filter(pk=key.pk).update(next_attempt_at=timezone.now() + PAST)


def lose_lease(key: ApiKey) -> None:
    """The lease has run out, and with it the look that was put off until then."""
    past = timezone.now() + PAST
    ApiKey.all_objects.filter(pk=key.pk).update(lease_until=past, next_attempt_at=past)


def test_a_reconcile_writes_what_it_observed(key: ApiKey, script: Any):
    script.then(ReconcileResult(state="active", status={"a": 1}, message="fine", fields={"description": "seen"}))
    assert reconcile_one("apiKey", key.pk)
    row = reload(key)
    assert (row.state, row.status, row.message, row.description) == ("active", {"a": 1}, "fine", "seen")
    assert (row.observed_generation, row.display_state, row.transitioning) == (1, "active", "no")
    assert (row.lease, row.lease_until, row.next_attempt_at, row.attempts) == ("", None, None, 0)
    assert row.observed_at is not None


def test_a_requeue_delivered_twice_costs_a_reconcile_and_changes_nothing(key: ApiKey, script: Any):
    reconcile_one("apiKey", key.pk)
    before = reload(key)
    reconcile_one("apiKey", key.pk)
    after = reload(key)
    assert len(script.seen) == 2
    assert (after.state, after.generation, operation_of(key).state) == (before.state, before.generation, "succeeded")


def test_a_reconcile_of_a_missing_row_does_nothing(db: None, script: Any):
    assert reconcile_one("apiKey", 999) is False
    assert script.seen == []


def test_a_lost_requeue_is_found_by_the_clock(key: ApiKey):
    assert due_rows() == [("apiKey", key.pk)]
    assert reconcile_until_idle() == 1
    assert due_rows() == []


def test_a_desired_state_is_found_by_the_clock_even_while_an_attempt_is_planned_for_later(
    key: ApiKey, script: Any, actor_of: Actors
):
    script.then(ReconcileResult(state="active", requeue_after=45))
    reconcile_one("apiKey", key.pk)
    assert due_rows() == []
    request_change(reload(key), "deactivate", actor=actor_of("bob"))
    assert due_rows() == [("apiKey", key.pk)]
    reconcile_until_idle()
    assert reload(key).display_state == "inactive"


def test_a_planned_attempt_is_due_at_its_time_and_not_before(key: ApiKey, script: Any):
    script.then(ReconcileResult(state="active", requeue_after=45))
    reconcile_one("apiKey", key.pk)
    assert due_rows() == []
    assert due_rows(timezone.now() + timedelta(seconds=46)) == [("apiKey", key.pk)]


def test_what_is_in_transition_is_reconciled_again_by_itself(key: ApiKey, script: Any):
    script.then(ReconcileResult(state="activating", message="Waiting", progress=40))
    reconcile_one("apiKey", key.pk)
    row, operation = reload(key), operation_of(key)
    assert row.next_attempt_at is not None
    assert (row.transitioning, row.message, row.attempts) == ("yes", "Waiting", 1)
    assert (operation.state, operation.progress, operation.message, operation.attempts) == ("running", 40, "Waiting", 1)
    make_due(key)
    reconcile_until_idle()
    operation = operation_of(key)
    assert (reload(key).display_state, operation.state, operation.progress) == ("active", "succeeded", 100)
    assert operation.message == ""
    assert operation.started is not None
    assert operation.ended is not None


def test_a_reconcile_that_raises_is_reported_and_retried(key: ApiKey, script: Any, caplog: pytest.LogCaptureFixture):
    script.then(ValueError("no luck"))
    assert reconcile_one("apiKey", key.pk)
    row = reload(key)
    assert (row.message, row.display_state, row.transitioning, row.lease) == (
        "ValueError: no luck",
        "registering",
        "yes",
        "",
    )
    assert operation_of(key).state == "running"
    assert operation_of(key).message == "ValueError: no luck"
    assert "reconciling apiKey" in caplog.text
    make_due(key)
    reconcile_until_idle()
    assert reload(key).display_state == "active"


def test_a_reconcile_that_fails_ends_the_operation_with_its_message(key: ApiKey, script: Any):
    script.then(ReconcileResult(state="error", message="no room", failed=True))
    reconcile_one("apiKey", key.pk)
    row, operation = reload(key), operation_of(key)
    assert (row.display_state, row.fault, row.transitioning, row.message) == ("error", True, "error", "no room")
    assert (operation.state, operation.message) == ("failed", "no room")
    assert operation.ended is not None


def test_a_failed_row_that_is_still_reconciled_can_recover(key: ApiKey, script: Any):
    script.then(ReconcileResult(state="activating", message="no room", failed=True, requeue_after=1))
    reconcile_one("apiKey", key.pk)
    assert reload(key).transitioning == "error"
    make_due(key)
    reconcile_until_idle()
    assert (reload(key).display_state, reload(key).fault, operation_of(key).state) == ("active", False, "failed")


def test_one_reconcile_at_a_time_and_the_other_requeue_is_not_lost(key: ApiKey, script: Any):
    def while_somebody_else_requeues(row: ApiKey) -> ReconcileResult:
        assert reconcile_one("apiKey", row.pk) is False
        assert reload(row).requeue_requested
        return ReconcileResult(state="active")

    script.then(while_somebody_else_requeues)
    reconcile_one("apiKey", key.pk)
    assert len(script.seen) == 1
    assert (reload(key).display_state, reload(key).requeue_requested) == ("active", False)
    assert due_rows() == [("apiKey", key.pk)]
    reconcile_until_idle()
    assert len(script.seen) == 2
    assert due_rows() == []


def test_a_requeue_between_the_lease_release_and_its_own_note_still_reconciles(
    key: ApiKey, script: Any, monkeypatch: pytest.MonkeyPatch
):
    """The lease is held at the first try and free by the time the request is written: no requeue may be lost."""
    ApiKey.all_objects.filter(pk=key.pk).update(lease="x", lease_until=timezone.now() + timedelta(seconds=60))
    rows = KINDS["apiKey"].model.all_objects
    query_set = type(rows.get_queryset())
    original = query_set.exclude

    def let_go_then_exclude(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs == {"lease": ""}:
            ApiKey.all_objects.filter(pk=key.pk).update(lease="", lease_until=None)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(query_set, "exclude", let_go_then_exclude)
    assert reconcile_one("apiKey", key.pk) is True
    assert len(script.seen) == 1
    assert not reload(key).requeue_requested


def test_a_desired_state_that_changes_during_the_reconcile_is_not_taken_for_done(
    key: ApiKey, script: Any, actor_of: Actors
):
    reconcile_one("apiKey", key.pk)

    def while_the_desired_state_changes(row: ApiKey) -> ReconcileResult:
        request_change(reload(row), "deactivate", actor=actor_of("bob"))
        return ReconcileResult(state="active", message="stale")

    script.then(while_the_desired_state_changes)
    reconcile_one("apiKey", key.pk)
    row = reload(key)
    assert (row.display_state, row.message, row.observed_generation, row.lease) == ("deactivating", "", 1, "")
    assert operation_of(key).state == "pending"
    assert due_rows() == [("apiKey", key.pk)]
    reconcile_until_idle()
    assert reload(key).display_state == "inactive"
    assert operation_of(key).state == "succeeded"


def test_a_changed_desired_state_requeues_at_once(
    key: ApiKey, script: Any, actor_of: Actors, enqueued: list[Any], django_capture_on_commit_callbacks: Any
):
    reconcile_one("apiKey", key.pk)

    def while_the_desired_state_changes(row: ApiKey) -> ReconcileResult:
        request_change(reload(row), "deactivate", actor=actor_of("bob"))
        return ReconcileResult(state="active")

    script.then(while_the_desired_state_changes)
    with django_capture_on_commit_callbacks(execute=True):
        reconcile_one("apiKey", key.pk)
    assert enqueued == [("apiKey", key.pk)] * 2


def test_a_crash_leaves_a_lease_that_runs_out(key: ApiKey, script: Any):
    script.then(Crash())
    with pytest.raises(Crash):
        reconcile_one("apiKey", key.pk)
    assert reload(key).lease != ""
    assert reconcile_one("apiKey", key.pk) is False
    assert due_rows() == []
    assert due_rows(timezone.now() + timedelta(seconds=91)) == [("apiKey", key.pk)]
    lose_lease(key)
    reconcile_until_idle()
    assert (reload(key).display_state, reload(key).lease) == ("active", "")


def test_a_crash_while_saving_loses_nothing(key: ApiKey, script: Any, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as broken:
        broken.setattr(loop, "_update_operations", lambda *_: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            reconcile_one("apiKey", key.pk)
    assert (reload(key).display_state, operation_of(key).state) == ("registering", "pending")
    lose_lease(key)
    reconcile_until_idle()
    assert (reload(key).display_state, operation_of(key).state) == ("active", "succeeded")


def test_who_starts_alone_gives_every_lease_back(key: ApiKey, script: Any):
    script.then(Crash())
    with pytest.raises(Crash):
        reconcile_one("apiKey", key.pk)
    assert release_all_leases() == 1
    assert release_all_leases() == 0
    reconcile_until_idle()
    assert reload(key).display_state == "active"


def test_who_lost_the_lease_writes_nothing(key: ApiKey, script: Any):
    def slow(row: ApiKey) -> ReconcileResult:
        lose_lease(row)
        script.then(ReconcileResult(state="error", message="newer", failed=True))
        assert reconcile_one("apiKey", row.pk)
        return ReconcileResult(state="active", message="older")

    script.then(slow)
    reconcile_one("apiKey", key.pk)
    assert (reload(key).display_state, reload(key).message) == ("error", "newer")
    assert operation_of(key).state == "failed"


def test_who_lost_the_lease_does_not_end_the_operation(key: ApiKey, script: Any):
    def slow(row: ApiKey) -> ReconcileResult:
        lose_lease(row)
        script.then(ReconcileResult(state="activating", message="not yet"))
        reconcile_one("apiKey", row.pk)
        return ReconcileResult(state="active")

    script.then(slow)
    reconcile_one("apiKey", key.pk)
    assert (reload(key).display_state, operation_of(key).state) == ("activating", "running")


def test_a_lease_is_extended_by_its_holder_only(key: ApiKey, script: Any, actor_of: Actors):
    def long(row: ApiKey) -> ReconcileResult:
        assert extend_lease(row, 500)
        until = reload(row).lease_until
        assert until is not None
        assert until > timezone.now() + timedelta(seconds=400)
        request_change(reload(row), "deactivate", actor=actor_of("bob"))
        assert not extend_lease(row)
        return ReconcileResult(state="active")

    script.then(long)
    reconcile_one("apiKey", key.pk)
    assert len(script.seen) == 1
    row = reload(key)
    row.lease = "somebody else's"
    assert not extend_lease(row)


def test_an_operation_past_its_deadline_fails_with_the_reason_and_the_loop_goes_on(key: ApiKey, script: Any):
    script.then(ReconcileResult(state="activating", message="The engine is away"))
    reconcile_one("apiKey", key.pk)
    assert fail_overdue() == 0
    assert fail_overdue(timezone.now() + timedelta(seconds=601)) == 1
    operation = operation_of(key)
    assert (operation.state, operation.message) == ("failed", "Not done after 600 s: The engine is away")
    assert reload(key).transitioning == "error"
    assert fail_overdue(timezone.now() + timedelta(seconds=601)) == 0
    make_due(key)
    reconcile_until_idle()
    assert (reload(key).display_state, reload(key).transitioning) == ("active", "no")


def test_a_removed_row_says_when_and_a_restored_one_forgets(key: ApiKey, script: Any):
    script.then(ReconcileResult(state="removed"))
    reconcile_one("apiKey", key.pk)
    removed = reload(key).removed
    assert removed is not None
    script.then(ReconcileResult(state="purged"))
    reconcile_one("apiKey", key.pk)
    assert reload(key).removed == removed
    reconcile_one("apiKey", key.pk)
    assert reload(key).removed is None


def test_owners_of_a_row_are_requeued_when_it_converges_or_fails(
    key: ApiKey, script: Any, enqueued: list[Any], django_capture_on_commit_callbacks: Any
):
    requeue_owners("apiKey", lambda row: [("account", row.account_id)])
    owner = ("account", key.account_id)
    on_the_way, failed, done = (
        ReconcileResult("activating"),
        ReconcileResult("activating", failed=True),
        ReconcileResult("active"),
    )
    script.then(on_the_way, failed, done, done)
    enqueued_flags = []
    for _ in range(4):
        enqueued.clear()
        with django_capture_on_commit_callbacks(execute=True):
            reconcile_one("apiKey", key.pk)
        enqueued_flags.append(owner in enqueued)
    assert enqueued_flags == [False, True, True, False]


def test_viewers_are_notified_of_what_changed_and_not_of_what_did_not(
    key: ApiKey, script: Any, monkeypatch: pytest.MonkeyPatch
):
    enqueued_flags: list[Any] = []
    monkeypatch.setattr(loop, "row_changed", lambda *what: enqueued_flags.append(what))
    script.then(
        ReconcileResult("active", requeue_after=5),
        ReconcileResult("active", requeue_after=9),
        ReconcileResult("active", message="x"),
    )
    for _ in range(3):
        reconcile_one("apiKey", key.pk)
    assert enqueued_flags == [(None, "apiKey", key.pk)] * 2


@given(st.integers(min_value=0, max_value=10_000))
def test_the_pause_grows_and_stays_in_bounds(attempts: int):
    plain = min(MAX_BACKOFF, 0.5 * 2 ** min(attempts, 10))
    assert plain * 0.7 <= loop._backoff(attempts) <= min(plain, MAX_BACKOFF) * 1.3


def test_pauses_are_spread():
    assert len({loop._backoff(7) for _ in range(20)}) > 1


def test_a_row_that_never_converges_does_not_hold_the_others_up(people: Any, key: ApiKey, script: Any):
    script.then(*[ReconcileResult(state="activating", requeue_after=0)] * 50)
    assert reconcile_until_idle(limit=20) >= 20
    assert reload(key).transitioning == "yes"
