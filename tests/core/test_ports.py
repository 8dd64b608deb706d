"""What lower apps call and higher apps provide, and what is told while nothing is plugged in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import ports
from apps.core.ports import calls
from apps.core.ports.sockets import Ports
from apps.core.result import Loss, Result


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Ports:
    """Nothing plugged in."""
    found = Ports()
    monkeypatch.setattr(calls, "ports", found)
    return found


CALLS: dict[str, Any] = {
    "ask": lambda: ports.ask(object(), "stop"),  # type: ignore[arg-type]
    "create": lambda: ports.create(object()),  # type: ignore[arg-type]
    "record": lambda: ports.record("login"),
    "wake": lambda: ports.wake("host", 1),
    "sessions_close": lambda: ports.sessions_close(object()),
    "identified": lambda: ports.identified(object()),
    "is_member": lambda: ports.is_member(set(), object()),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_change_is_refused_while_nobody_takes_it(name: str, plugged: Ports):
    with pytest.raises(RuntimeError, match="not installed"):
        CALLS[name]()


def test_what_only_watches_may_be_missing(plugged: Ports):
    with ports.revoking(object(), accounts=[1]):
        pass
    ports.account_changed(7)
    assert plugged.render("host", 1, object(), "https://portal") is None


@pytest.mark.parametrize("name", CALLS)
def test_each_call_goes_to_its_own_plug_and_brings_the_answer(name: str, plugged: Ports):
    seen: list[str] = []

    def plug(other: str) -> Callable[..., str]:
        return lambda *_args, **_more: (seen.append(other), "answer")[1]  # type: ignore[func-returns-value]

    for other in CALLS:
        setattr(plugged, other, plug(other))
    answer = CALLS[name]()
    assert seen == [name]
    assert answer in {"answer", None}


def test_everybody_who_listens_hears_of_a_changed_account(plugged: Ports):
    heard: list[Any] = []

    def hear(what: Any) -> int:
        heard.append(what)
        return 0

    plugged.rights_changed += [hear, hear]
    ports.account_changed(7)
    assert heard == [{"account": 7}, {"account": 7}]


def test_a_watch_is_entered_and_left_around_the_change(plugged: Ports):
    seen: list[Any] = []

    @contextmanager
    def watch(actor: Any, **what: Any) -> Iterator[None]:
        seen.append((actor, what))
        yield
        seen.append("left")

    plugged.revoking = watch
    with ports.revoking("root", accounts=[1], keys=[2]):
        seen.append("change")
    assert seen == [("root", {"accounts": [1], "keys": [2]}), "change", "left"]


def test_two_plugboards_share_nothing():
    first, second = Ports(), Ports()
    first.emptiers.append(lambda _key: 0)
    first.rights_changed.append(lambda _what: 0)
    assert (second.emptiers, second.rights_changed) == ([], [])


def test_the_real_plugs_are_all_in():
    from apps.core.ports import ports as real

    for name in ("ask", "create", "record", "wake", "sessions_close", "revoking", "identified", "is_member", "render"):
        assert getattr(real, name).__module__ != "apps.core.ports", name
    assert {emptier.__module__.split(".")[1] for emptier in real.emptiers} >= {"stacks", "containers", "hosts"}
    assert real.rights_changed


losses = st.builds(Loss, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))


@given(losses, losses, losses)
def test_losses_add_up_in_any_order(one: Loss, two: Loss, three: Loss):
    assert one + two == two + one
    assert (one + two) + three == one + (two + three)
    assert one + Loss() == one


@given(losses)
def test_a_loss_is_true_when_anything_was_lost(loss: Loss):
    assert bool(loss) == (loss.sockets + loss.sessions + loss.keys > 0)


def test_a_sighting_says_no_more_than_it_saw_and_stays_as_it_is():
    found = Result(state="running")
    assert (found.status, found.message, found.again_in, found.failed, dict(found.fields)) == (
        None,
        "",
        None,
        False,
        {},
    )
    with pytest.raises(FrozenInstanceError):
        found.state = "stopped"  # type: ignore[misc]
