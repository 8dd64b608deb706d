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
from apps.control.models import Operation
from apps.control.reconcile import MAX_PAUSE, due, extend, fail_late, look, owned_by, release_all, settle
from apps.control.services import ask
from apps.core.result import Result
from apps.environments.access import Actor

Actors = Callable[..., Actor]


class Crash(BaseException):
    """The process dies: nothing catches it."""


def now_of(key: ApiKey) -> ApiKey:
    return ApiKey.objects.get(pk=key.pk)


def operation_of(key: ApiKey) -> Operation:
    """The newest operation on the key."""
    found: Operation = Operation.all_objects.filter(kind="apiKey", target=key.pk).order_by("-pk")[0]
    return found


PAST = timedelta(seconds=-1)


def come_due(key: ApiKey) -> None:
    """The time of the next look has come."""
    ApiKey.all_objects.filter(pk=key.pk).update(next_look=timezone.now() + PAST)


def lose_lease(key: ApiKey) -> None:
    """The lease has run out, and with it the look that was put off until then."""
    past = timezone.now() + PAST
    ApiKey.all_objects.filter(pk=key.pk).update(lease_until=past, next_look=past)


def test_a_look_writes_what_it_saw(key: ApiKey, script: Any):
    script.then(Result(state="active", status={"a": 1}, message="fine", fields={"description": "seen"}))
    assert look("apiKey", key.pk)
    row = now_of(key)
    assert (row.state, row.status, row.message, row.description) == ("active", {"a": 1}, "fine", "seen")
    assert (row.observed_generation, row.shown, row.transitioning) == (1, "active", "no")
    assert (row.lease, row.lease_until, row.next_look, row.looks) == ("", None, None, 0)
    assert row.observed_at is not None


def test_a_wake_up_delivered_twice_costs_a_look_and_changes_nothing(key: ApiKey, script: Any):
    look("apiKey", key.pk)
    before = now_of(key)
    look("apiKey", key.pk)
    after = now_of(key)
    assert len(script.seen) == 2
    assert (after.state, after.generation, operation_of(key).state) == (before.state, before.generation, "succeeded")


def test_a_look_at_what_is_not_there_is_nothing(db: None, script: Any):
    assert look("apiKey", 999) is False
    assert script.seen == []


def test_a_lost_wake_up_is_found_by_the_clock(key: ApiKey):
    assert due() == [("apiKey", key.pk)]
    assert settle() == 1
    assert due() == []


def test_a_wish_is_found_by_the_clock_even_while_a_look_is_planned_for_later(
    key: ApiKey, script: Any, actor_of: Actors
):
    script.then(Result(state="active", again_in=45))
    look("apiKey", key.pk)
    assert due() == []
    ask(now_of(key), "deactivate", actor=actor_of("bob"))
    assert due() == [("apiKey", key.pk)]
    settle()
    assert now_of(key).shown == "inactive"


def test_a_planned_look_is_due_at_its_time_and_not_before(key: ApiKey, script: Any):
    script.then(Result(state="active", again_in=45))
    look("apiKey", key.pk)
    assert due() == []
    assert due(timezone.now() + timedelta(seconds=46)) == [("apiKey", key.pk)]


def test_what_is_on_its_way_is_looked_at_again_by_itself(key: ApiKey, script: Any):
    script.then(Result(state="activating", message="Waiting", progress=40))
    look("apiKey", key.pk)
    row, operation = now_of(key), operation_of(key)
    assert row.next_look is not None
    assert (row.transitioning, row.message, row.looks) == ("yes", "Waiting", 1)
    assert (operation.state, operation.progress, operation.message, operation.attempts) == ("running", 40, "Waiting", 1)
    come_due(key)
    settle()
    operation = operation_of(key)
    assert (now_of(key).shown, operation.state, operation.progress) == ("active", "succeeded", 100)
    assert operation.message == ""
    assert operation.started is not None
    assert operation.ended is not None


def test_a_look_that_raises_is_told_and_tried_again(key: ApiKey, script: Any, caplog: pytest.LogCaptureFixture):
    script.then(ValueError("no luck"))
    assert look("apiKey", key.pk)
    row = now_of(key)
    assert (row.message, row.shown, row.transitioning, row.lease) == ("ValueError: no luck", "registering", "yes", "")
    assert operation_of(key).state == "running"
    assert operation_of(key).message == "ValueError: no luck"
    assert "looking at apiKey" in caplog.text
    come_due(key)
    settle()
    assert now_of(key).shown == "active"


def test_a_look_that_fails_ends_the_operation_with_its_words(key: ApiKey, script: Any):
    script.then(Result(state="error", message="no room", failed=True))
    look("apiKey", key.pk)
    row, operation = now_of(key), operation_of(key)
    assert (row.shown, row.fault, row.transitioning, row.message) == ("error", True, "error", "no room")
    assert (operation.state, operation.message) == ("failed", "no room")
    assert operation.ended is not None


def test_a_failed_row_that_is_still_looked_at_can_recover(key: ApiKey, script: Any):
    script.then(Result(state="activating", message="no room", failed=True, again_in=1))
    look("apiKey", key.pk)
    assert now_of(key).transitioning == "error"
    come_due(key)
    settle()
    assert (now_of(key).shown, now_of(key).fault, operation_of(key).state) == ("active", False, "failed")


def test_one_looks_at_a_time_and_the_other_wake_up_is_not_lost(key: ApiKey, script: Any):
    def while_somebody_else_wakes(row: ApiKey) -> Result:
        assert look("apiKey", row.pk) is False
        assert now_of(row).woken
        return Result(state="active")

    script.then(while_somebody_else_wakes)
    look("apiKey", key.pk)
    assert len(script.seen) == 1
    assert (now_of(key).shown, now_of(key).woken) == ("active", False)
    assert due() == [("apiKey", key.pk)]
    settle()
    assert len(script.seen) == 2
    assert due() == []


def test_a_wake_up_between_the_holders_letting_go_and_its_own_note_still_looks(
    key: ApiKey, script: Any, monkeypatch: pytest.MonkeyPatch
):
    """The lease is held at the first try and free by the time the note is written: no wake-up may fall in between."""
    ApiKey.all_objects.filter(pk=key.pk).update(lease="x", lease_until=timezone.now() + timedelta(seconds=60))
    rows = loop.KINDS["apiKey"].model.all_objects
    query_set = type(rows.get_queryset())
    original = query_set.exclude

    def let_go_then_exclude(self: Any, *args: Any, **kwargs: Any) -> Any:
        if kwargs == {"lease": ""}:
            ApiKey.all_objects.filter(pk=key.pk).update(lease="", lease_until=None)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(query_set, "exclude", let_go_then_exclude)
    assert look("apiKey", key.pk) is True
    assert len(script.seen) == 1
    assert not now_of(key).woken


def test_a_wish_that_moves_during_the_look_is_not_taken_for_done(key: ApiKey, script: Any, actor_of: Actors):
    look("apiKey", key.pk)

    def while_the_wish_moves(row: ApiKey) -> Result:
        ask(now_of(row), "deactivate", actor=actor_of("bob"))
        return Result(state="active", message="stale")

    script.then(while_the_wish_moves)
    look("apiKey", key.pk)
    row = now_of(key)
    assert (row.shown, row.message, row.observed_generation, row.lease) == ("deactivating", "", 1, "")
    assert operation_of(key).state == "pending"
    assert due() == [("apiKey", key.pk)]
    settle()
    assert now_of(key).shown == "inactive"
    assert operation_of(key).state == "succeeded"


def test_a_moved_wish_wakes_at_once(
    key: ApiKey, script: Any, actor_of: Actors, wakes: list[Any], django_capture_on_commit_callbacks: Any
):
    look("apiKey", key.pk)

    def while_the_wish_moves(row: ApiKey) -> Result:
        ask(now_of(row), "deactivate", actor=actor_of("bob"))
        return Result(state="active")

    script.then(while_the_wish_moves)
    with django_capture_on_commit_callbacks(execute=True):
        look("apiKey", key.pk)
    assert wakes == [("apiKey", key.pk)] * 2


def test_a_crash_leaves_a_lease_that_runs_out(key: ApiKey, script: Any):
    script.then(Crash())
    with pytest.raises(Crash):
        look("apiKey", key.pk)
    assert now_of(key).lease != ""
    assert look("apiKey", key.pk) is False
    assert due() == []
    assert due(timezone.now() + timedelta(seconds=91)) == [("apiKey", key.pk)]
    lose_lease(key)
    settle()
    assert (now_of(key).shown, now_of(key).lease) == ("active", "")


def test_a_crash_while_saving_loses_nothing(key: ApiKey, script: Any, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as broken:
        broken.setattr(loop, "_settle_operation", lambda *_: (_ for _ in ()).throw(Crash()))
        with pytest.raises(Crash):
            look("apiKey", key.pk)
    assert (now_of(key).shown, operation_of(key).state) == ("registering", "pending")
    lose_lease(key)
    settle()
    assert (now_of(key).shown, operation_of(key).state) == ("active", "succeeded")


def test_who_starts_alone_gives_every_lease_back(key: ApiKey, script: Any):
    script.then(Crash())
    with pytest.raises(Crash):
        look("apiKey", key.pk)
    assert release_all() == 1
    assert release_all() == 0
    settle()
    assert now_of(key).shown == "active"


def test_who_lost_the_lease_writes_nothing(key: ApiKey, script: Any):
    def slow(row: ApiKey) -> Result:
        lose_lease(row)
        script.then(Result(state="error", message="newer", failed=True))
        assert look("apiKey", row.pk)
        return Result(state="active", message="older")

    script.then(slow)
    look("apiKey", key.pk)
    assert (now_of(key).shown, now_of(key).message) == ("error", "newer")
    assert operation_of(key).state == "failed"


def test_who_lost_the_lease_does_not_end_the_operation(key: ApiKey, script: Any):
    def slow(row: ApiKey) -> Result:
        lose_lease(row)
        script.then(Result(state="activating", message="not yet"))
        look("apiKey", row.pk)
        return Result(state="active")

    script.then(slow)
    look("apiKey", key.pk)
    assert (now_of(key).shown, operation_of(key).state) == ("activating", "running")


def test_a_lease_is_extended_by_its_holder_only(key: ApiKey, script: Any, actor_of: Actors):
    def long(row: ApiKey) -> Result:
        assert extend(row, 500)
        until = now_of(row).lease_until
        assert until is not None
        assert until > timezone.now() + timedelta(seconds=400)
        ask(now_of(row), "deactivate", actor=actor_of("bob"))
        assert not extend(row)
        return Result(state="active")

    script.then(long)
    look("apiKey", key.pk)
    assert len(script.seen) == 1
    row = now_of(key)
    row.lease = "somebody else's"
    assert not extend(row)


def test_an_operation_past_its_deadline_fails_with_the_reason_and_the_loop_goes_on(key: ApiKey, script: Any):
    script.then(Result(state="activating", message="The engine is away"))
    look("apiKey", key.pk)
    assert fail_late() == 0
    assert fail_late(timezone.now() + timedelta(seconds=601)) == 1
    operation = operation_of(key)
    assert (operation.state, operation.message) == ("failed", "Not done after 600 s: The engine is away")
    assert now_of(key).transitioning == "error"
    assert fail_late(timezone.now() + timedelta(seconds=601)) == 0
    come_due(key)
    settle()
    assert (now_of(key).shown, now_of(key).transitioning) == ("active", "no")


def test_a_removed_row_says_when_and_a_restored_one_forgets(key: ApiKey, script: Any):
    script.then(Result(state="removed"))
    look("apiKey", key.pk)
    removed = now_of(key).removed
    assert removed is not None
    script.then(Result(state="purged"))
    look("apiKey", key.pk)
    assert now_of(key).removed == removed
    look("apiKey", key.pk)
    assert now_of(key).removed is None


def test_who_depends_on_a_row_is_woken_when_it_settles_or_fails(
    key: ApiKey, script: Any, wakes: list[Any], django_capture_on_commit_callbacks: Any
):
    owned_by("apiKey", lambda row: [("account", row.account_id)])
    owner = ("account", key.account_id)
    on_the_way, failed, done = Result("activating"), Result("activating", failed=True), Result("active")
    script.then(on_the_way, failed, done, done)
    told = []
    for _ in range(4):
        wakes.clear()
        with django_capture_on_commit_callbacks(execute=True):
            look("apiKey", key.pk)
        told.append(owner in wakes)
    assert told == [False, True, True, False]


def test_viewers_are_told_what_changed_and_not_what_did_not(key: ApiKey, script: Any, monkeypatch: pytest.MonkeyPatch):
    told: list[Any] = []
    monkeypatch.setattr(loop, "changed", lambda *what: told.append(what))
    script.then(Result("active", again_in=5), Result("active", again_in=9), Result("active", message="x"))
    for _ in range(3):
        look("apiKey", key.pk)
    assert told == [(None, "apiKey", key.pk)] * 2


@given(st.integers(min_value=0, max_value=10_000))
def test_the_pause_grows_and_stays_in_bounds(looks: int):
    plain = min(MAX_PAUSE, 0.5 * 2 ** min(looks, 10))
    assert plain * 0.7 <= loop._pause(looks) <= min(plain, MAX_PAUSE) * 1.3


def test_pauses_are_spread():
    assert len({loop._pause(7) for _ in range(20)}) > 1


def test_a_row_that_never_settles_does_not_hold_the_others_up(people: Any, key: ApiKey, script: Any):
    script.then(*[Result(state="activating", again_in=0)] * 50)
    assert settle(limit=20) >= 20
    assert now_of(key).transitioning == "yes"
