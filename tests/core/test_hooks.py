"""What lower apps call and higher apps provide, and what happens while a hook is empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import hooks
from apps.core.hooks import Hooks
from apps.core.result import ReconcileResult, RevokedCounts


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> Hooks:
    """Hooks that nobody has filled."""
    found = Hooks()
    monkeypatch.setattr(hooks, "hooks", found)
    return found


CALLS: dict[str, Any] = {
    "request_change": lambda: hooks.request_change(object(), "stop"),  # type: ignore[arg-type]
    "create": lambda: hooks.create(object()),  # type: ignore[arg-type]
    "record": lambda: hooks.record("login"),
    "enqueue_after_commit": lambda: hooks.enqueue_after_commit("host", 1),
    "sessions_close": lambda: hooks.sessions_close(object()),
    "on_identity_updated": lambda: hooks.on_identity_updated(object()),
    "is_member": lambda: hooks.is_member(set(), object()),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_refused_while_its_hook_is_empty(name: str, empty: Hooks):
    with pytest.raises(RuntimeError, match="not installed"):
        CALLS[name]()


def test_hooks_that_only_watch_may_be_empty(empty: Hooks):
    with hooks.revoking(object(), accounts=[1]):
        pass
    hooks.account_changed(7)
    assert empty.render("host", 1, object(), "https://portal", "v1") is None


@pytest.mark.parametrize("name", CALLS)
def test_each_call_goes_to_its_own_hook_and_returns_its_answer(name: str, empty: Hooks):
    seen: list[str] = []

    def provide(other: str) -> Callable[..., str]:
        return lambda *_args, **_more: (seen.append(other), "answer")[1]  # type: ignore[func-returns-value]

    for other in CALLS:
        setattr(empty, other, provide(other))
    answer = CALLS[name]()
    assert seen == [name]
    assert answer in {"answer", None}


def test_every_listener_hears_of_a_changed_account(empty: Hooks):
    calls_seen: list[Any] = []

    def hear(what: Any) -> int:
        calls_seen.append(what)
        return 0

    empty.rights_changed += [hear, hear]
    hooks.account_changed(7)
    assert calls_seen == [{"account": 7}, {"account": 7}]


def test_a_watch_is_entered_and_left_around_the_change(empty: Hooks):
    seen: list[Any] = []

    @contextmanager
    def watch(actor: Any, **what: Any) -> Iterator[None]:
        seen.append((actor, what))
        yield
        seen.append("left")

    empty.revoking = watch
    with hooks.revoking("root", accounts=[1], keys=[2]):
        seen.append("change")
    assert seen == [("root", {"accounts": [1], "keys": [2]}), "change", "left"]


def test_two_registers_share_nothing():
    first, second = Hooks(), Hooks()
    first.on_environment_removed.append(lambda _key: 0)
    first.rights_changed.append(lambda _what: 0)
    assert (second.on_environment_removed, second.rights_changed) == ([], [])


def test_every_hook_is_filled_at_start():
    from apps.core.hooks import hooks as real

    for name in (
        "request_change",
        "create",
        "record",
        "enqueue_after_commit",
        "sessions_close",
        "revoking",
        "on_identity_updated",
        "is_member",
        "render",
    ):
        assert getattr(real, name).__module__ != "apps.core.hooks", name
    assert {hook.__module__.split(".")[1] for hook in real.on_environment_removed} >= {
        "stacks",
        "containers",
        "hosts",
    }
    assert real.rights_changed


revoked_counts = st.builds(RevokedCounts, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))


@given(revoked_counts, revoked_counts, revoked_counts)
def test_losses_add_up_in_any_order(one: RevokedCounts, two: RevokedCounts, three: RevokedCounts):
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + RevokedCounts() == one


@given(revoked_counts)
def test_a_loss_is_true_when_anything_was_lost(loss: RevokedCounts):
    assert bool(loss) == (loss.sockets + loss.sessions + loss.keys > 0)


def test_an_observed_state_holds_no_more_than_was_seen_and_is_immutable():
    found = ReconcileResult(state="running")
    assert (found.status, found.message, found.requeue_after, found.failed, dict(found.fields)) == (
        None,
        "",
        None,
        False,
        {},
    )
    with pytest.raises(FrozenInstanceError):
        found.state = "stopped"  # type: ignore[misc]
