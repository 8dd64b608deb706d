"""Trials: a change that nobody confirms is rolled back by itself, to off or to the previous configuration."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone

from apps.accounts.models import AuthProvider
from apps.accounts.providers import services
from apps.core.errors import Conflict
from tests.accounts.fake_directory import SAMPLE

MOVED = {**SAMPLE, "server": "elsewhere.example.test"}


def five_minutes_pass() -> None:
    AuthProvider.objects.update(trial_until=timezone.now() - timedelta(seconds=1))


def server() -> Any:
    return AuthProvider.objects.get().config.to_wire()["server"]


@pytest.fixture
def root(fake_directory: Any, actor_of: Any) -> Any:
    return actor_of("root")


def test_a_changed_provider_is_on_trial_and_in_use(root: Any):
    moved = services.provider_save("openldap", MOVED, actor=root)
    assert (moved.accepts_logins, moved.is_on_trial, server()) == (True, True, MOVED["server"])


def test_a_change_that_nobody_confirms_is_taken_back(root: Any):
    services.provider_save("openldap", MOVED, actor=root)
    five_minutes_pass()
    row = AuthProvider.objects.get()
    assert (row.accepts_logins, row.is_on_trial, server()) == (True, False, SAMPLE["server"])
    assert list(AuthProvider.objects.accepting_logins()) == [row]
    assert services.masked_config(services.provider_by_kind("openldap"))["server"] == SAMPLE["server"]


def test_several_changes_in_a_row_go_back_to_what_was_confirmed(root: Any):
    for name in ("a.test", "b.test", "c.test"):
        services.provider_save("openldap", {**SAMPLE, "server": name}, actor=root)
    five_minutes_pass()
    assert server() == SAMPLE["server"]


def test_the_next_change_starts_from_what_was_taken_back(root: Any):
    services.provider_save("openldap", MOVED, actor=root)
    five_minutes_pass()
    services.provider_save("openldap", {**SAMPLE, "accessMode": "restricted"}, actor=root)
    row = AuthProvider.objects.get()
    assert (row.trial_until, row.is_reconfigured, row.previous_config, server()) == (None, False, {}, SAMPLE["server"])


@pytest.mark.parametrize("how", ["log-in", "button", "test"])
def test_a_confirmed_change_stays(root: Any, how: str):
    services.provider_save("openldap", MOVED, actor=root)
    if how == "log-in":
        assert authenticate(None, username="ann", password="ann") is not None
    elif how == "button":
        services.provider_confirm("openldap", actor=root)
    else:
        services.provider_enable("openldap", actor=root, login="ann", password="ann")
    row = AuthProvider.objects.get()
    assert (row.trial_until, row.is_reconfigured, row.previous_config, server()) == (None, False, {}, MOVED["server"])


def test_a_failed_test_leaves_the_trial_running(root: Any):
    services.provider_save("openldap", MOVED, actor=root)
    with pytest.raises(Conflict):
        services.provider_enable("openldap", actor=root, login="ann", password="wrong")
    assert AuthProvider.objects.get().is_on_trial


def test_switched_on_for_the_first_time_it_goes_off_again(root: Any):
    AuthProvider.objects.update(enabled=False)
    services.provider_enable("openldap", actor=root, login="ann", password="ann")
    services.provider_save("openldap", MOVED, actor=root)
    five_minutes_pass()
    assert not AuthProvider.objects.get().accepts_logins
    assert not AuthProvider.objects.accepting_logins().exists()
    assert not services.provider_by_kind("openldap").enabled


def test_off_in_the_middle_of_a_trial_it_stays_off(root: Any):
    services.provider_save("openldap", MOVED, actor=root)
    services.provider_disable("openldap", actor=root)
    five_minutes_pass()
    row = AuthProvider.objects.get()
    assert (row.accepts_logins, row.is_on_trial) == (False, False)


def test_who_may_log_in_needs_no_trial(root: Any):
    saved = services.provider_save("openldap", {**SAMPLE, "accessMode": "restricted"}, actor=root)
    assert (saved.accepts_logins, saved.is_on_trial) == (True, False)


def test_enabling_what_is_on_changes_nothing(root: Any):
    before = AuthProvider.objects.get().version
    services.provider_enable("openldap", actor=root, login="ann", password="ann")
    row = AuthProvider.objects.get()
    assert (row.version, row.trial_until, row.accepts_logins) == (before, None, True)
