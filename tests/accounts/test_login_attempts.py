"""Tries are counted before they are looked at, IPv6 by its /64, and hashing waits in a short queue."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from apps.accounts.login.credentials import check_credentials
from apps.accounts.login.hashing import BoundedArgon2PasswordHasher, HashingQueue
from apps.accounts.login.throttle import login_attempt
from apps.accounts.models import FailedLogin
from apps.accounts.selectors import TRIES_PER_ADDRESS, TRIES_PER_NAME, login_retry_after, throttle_address
from apps.control.models import AuditEntry
from apps.core.errors import Busy, Invalid, Problem, TooManyRequests, Unauthorized

PASSWORD = "correct horse battery staple"


def test_a_try_counts_while_it_is_looked_at(people: Any):
    with login_attempt("bob", "10.0.0.1"):
        assert FailedLogin.objects.filter(login="bob").count() == 1
    assert not FailedLogin.objects.exists()


def test_as_many_are_looked_at_as_may_fail_and_no_more(people: Any):
    """All of them are still being looked at: none has failed yet."""
    entered = [login_attempt("Bob", f"10.0.0.{n}") for n in range(TRIES_PER_NAME)]
    for each in entered:
        each.__enter__()
    with pytest.raises(TooManyRequests) as refusal, login_attempt("bob", "10.9.9.9"):
        pytest.fail("looked at")
    assert refusal.value.status == 429
    assert 0 < (refusal.value.retry_after or 0) <= 300
    for each in entered:
        each.__exit__(None, None, None)
    assert login_retry_after("bob", "10.0.0.1") == 0


def test_what_is_refused_stays_counted_and_is_written_down(people: Any):
    with pytest.raises(Invalid), login_attempt("bob", "10.0.0.7", via="api"):
        raise Invalid("code", "InvalidFormat", "wrong")
    assert FailedLogin.objects.filter(login="bob", address="10.0.0.7").count() == 1
    entry = AuditEntry.all_objects.get(event="login.refused")
    assert (entry.address, entry.via) == ("10.0.0.7", "api")


def test_a_try_that_nobody_had_time_for_does_not_count(people: Any):
    with pytest.raises(Busy), login_attempt("bob", "10.0.0.7"):
        raise Busy("later", retry_after=5)
    assert not FailedLogin.objects.exists()
    assert not AuditEntry.all_objects.filter(event="login.refused").exists()


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("", ""),
        ("a unix socket", "a unix socket"),
        ("x" * 500, "x" * 64),
    ],
)
def test_an_ipv6_host_is_counted_with_its_network(address: str, counted: str):
    assert throttle_address(address) == counted


def test_the_addresses_of_one_ipv6_network_share_their_tries(people: Any):
    for number in range(TRIES_PER_ADDRESS):
        with pytest.raises(Invalid), login_attempt(f"user{number}", f"2001:db8::{number + 1:x}"):
            raise Invalid("password", "InvalidFormat", "wrong")
    with pytest.raises(TooManyRequests), login_attempt("alice", "2001:db8::ffff"):
        pytest.fail("looked at")
    with login_attempt("alice", "2001:db8:0:1::1"):
        pass


@pytest.mark.parametrize("login", ["b\0b", "\0", "\ud800"])
def test_a_name_that_no_database_holds_is_a_wrong_name(people: Any, login: str):
    with pytest.raises(Unauthorized):
        check_credentials(None, login, PASSWORD, address="10.0.0.1")


def test_the_queue_admits_so_many_and_tells_the_others_to_come_back():
    queue = HashingQueue(at_once=1, max_waiting=1, max_wait=30)
    outcomes: list[str] = []

    def wait() -> None:
        with queue.slot():
            outcomes.append("hashed")

    with queue.slot():
        waiting = threading.Thread(target=wait)
        waiting.start()
        while queue._places._value:
            pass
        with pytest.raises(Busy) as refusal, queue.slot():
            pytest.fail("admitted")
        assert outcomes == []
    waiting.join(30)
    assert outcomes == ["hashed"]
    assert (refusal.value.status, bool(refusal.value.retry_after)) == (503, True)
    with queue.slot():  # every place was given back
        pass


def test_a_queue_that_does_not_move_is_left():
    queue = HashingQueue(at_once=1, max_waiting=1, max_wait=0)
    with queue.slot(), pytest.raises(Busy), queue.slot():
        pytest.fail("admitted")
    with queue.slot():
        pass


def test_every_hash_takes_a_place(monkeypatch: pytest.MonkeyPatch):
    hasher = BoundedArgon2PasswordHasher()
    hasher.memory_cost, hasher.time_cost, hasher.parallelism = 64, 1, 1
    encoded = hasher.encode("x", "saltsalt")
    assert hasher.verify("x", encoded)
    assert not hasher.verify("y", encoded)
    monkeypatch.setattr("apps.accounts.login.hashing.queue", HashingQueue(at_once=1, max_waiting=-1, max_wait=0))
    for call in (lambda: hasher.encode("x", "saltsalt"), lambda: hasher.verify("x", encoded)):
        with pytest.raises(Problem):
            call()
