"""Guessing passwords gets slow: per name, per address, and only for a while."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import FailedLogin
from apps.accounts.selectors import (
    FAILED_LOGIN_WINDOW,
    TRIES_PER_ADDRESS,
    TRIES_PER_NAME,
    login_retry_after,
)
from apps.accounts.services import record_failed_login, record_login
from apps.control.models import AuditEntry


def fail(times: int, login: str = "bob", address: str = "10.0.0.1") -> None:
    for _ in range(times):
        record_failed_login(login, address)


def test_another_address_need_not_wait(db: None):
    assert login_retry_after("bob", "10.0.0.1") == 0


def test_a_few_mistakes_cost_nothing(db: None):
    fail(TRIES_PER_NAME - 1)
    assert login_retry_after("bob", "10.0.0.1") == 0


@pytest.mark.parametrize("login", ["bob", "BOB"])
def test_too_many_for_one_name_must_wait_from_anywhere(db: None, login: str):
    fail(TRIES_PER_NAME, "Bob")
    assert 0 < login_retry_after(login, "10.9.9.9") <= FAILED_LOGIN_WINDOW.total_seconds()
    assert login_retry_after("alice", "10.0.0.1") == 0


def test_too_many_from_one_address_must_wait_for_any_name(db: None):
    for number in range(TRIES_PER_ADDRESS):
        fail(1, f"user{number}")
    assert login_retry_after("alice", "10.0.0.1") > 0
    assert login_retry_after("alice", "10.0.0.2") == 0


def test_the_wait_ends(db: None):
    fail(TRIES_PER_NAME)
    FailedLogin.objects.update(at=timezone.now() - FAILED_LOGIN_WINDOW + timedelta(seconds=10))
    assert 1 <= login_retry_after("bob", "10.0.0.1") <= 10
    FailedLogin.objects.update(at=timezone.now() - FAILED_LOGIN_WINDOW)
    assert login_retry_after("bob", "10.0.0.1") == 0


def test_old_failures_are_forgotten(db: None):
    fail(2)
    FailedLogin.objects.update(at=timezone.now() - 3 * FAILED_LOGIN_WINDOW)
    fail(1, "other")
    assert FailedLogin.objects.count() == 1


def test_a_log_in_clears_the_name_but_not_the_address(people: Any):
    fail(TRIES_PER_NAME)
    fail(1, "other")
    record_login(people.bob, "10.0.0.1")
    assert login_retry_after("bob", "10.0.0.1") == 0
    assert FailedLogin.objects.filter(address="10.0.0.1").count() == 1
    people.bob.refresh_from_db()
    assert people.bob.last_login is not None


def test_both_outcomes_are_written_down_with_the_address(people: Any):
    fail(1, "nobody", "10.0.0.7")
    record_login(people.bob, "10.0.0.8")
    entries = AuditEntry.all_objects.filter(event__startswith="login").order_by("pk")
    assert [(e.event, e.address, e.account_id) for e in entries] == [
        ("login.refused", "10.0.0.7", None),
        ("login", "10.0.0.8", people.bob.pk),
    ]


def test_an_endless_name_is_cut(db: None):
    fail(1, "x" * 5000)
    assert len(FailedLogin.objects.get().login) == 255
