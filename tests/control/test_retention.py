"""What is old goes: removed rows and finished operations, never what is alive, open or young."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from apps.accounts.services import key_act
from apps.control import retention
from apps.control.models import AuditEntry, Operation, OperationLine
from apps.control.reconcile import look
from apps.control.retention import clean, clean_now_and_then
from apps.core.models import Setting
from apps.environments.access import Actor
from apps.environments.models import Environment, Member

Actors = Callable[..., Actor]


def later(**ahead: float) -> Any:
    return timezone.now() + timedelta(**ahead)


@pytest.fixture
def gone(key: ApiKey, actor_of: Actors) -> ApiKey:
    """A key that was just removed."""
    for action in ("deactivate", "remove"):
        look("apiKey", key.pk)
        key.refresh_from_db()
        key_act(key, action, actor=actor_of("bob"))
    look("apiKey", key.pk)
    return key


def test_a_removed_row_stays_for_a_day_and_then_goes(gone: ApiKey):
    clean(later(hours=23))
    assert ApiKey.objects.filter(pk=gone.pk).exists()
    clean(later(hours=25))
    assert not ApiKey.objects.filter(pk=gone.pk).exists()


def test_how_long_is_the_admins_choice(gone: ApiKey):
    Setting.objects.create(name="retention.removed.hours", value="1")
    clean(later(minutes=61))
    assert not ApiKey.objects.filter(pk=gone.pk).exists()


def test_what_is_alive_stays_for_ever(lab: Environment, key: ApiKey):
    clean(later(days=5000))
    assert ApiKey.objects.filter(pk=key.pk).exists()
    assert Environment.objects.filter(pk=lab.pk).exists()
    assert User.objects.count() == 6


def test_finished_operations_go_and_open_ones_stay(people: Any, gone: ApiKey):
    done = Operation.all_objects.filter(kind="apiKey", state="succeeded").first()
    assert done is not None
    OperationLine.objects.create(operation=done, text="a step")
    Operation.all_objects.filter(kind="account").update(state="running", ended=None)
    clean(later(days=13))
    assert Operation.all_objects.filter(kind="apiKey").count() == 3
    clean(later(days=15))
    assert not Operation.all_objects.filter(kind="apiKey").exists()
    assert not OperationLine.objects.exists()
    assert Operation.all_objects.filter(kind="account").count() == 6


def test_superseded_operations_go_too(people: Any, key: ApiKey, actor_of: Actors):
    key_act(key, "deactivate", actor=actor_of("bob"))
    assert Operation.all_objects.filter(state="superseded").count() == 1
    clean(later(days=15))
    assert not Operation.all_objects.filter(state="superseded").exists()


def test_a_forgotten_account_leaves_its_lines_in_the_audit_log(people: Any, lab: Environment, actor_of: Actors):
    User.all_objects.filter(pk=people.alice.pk).update(removed=timezone.now(), desired="removed", state="removed")
    clean(later(hours=25))
    assert not User.objects.filter(pk=people.alice.pk).exists()
    assert not Member.objects.filter(account=people.alice.pk).exists()
    told = AuditEntry.objects.within([lab.pk]).order_by("pk")[0]
    assert (told.account, told.account_number) == (None, people.alice.pk)
    assert told.fingerprint() == told.digest


def test_cleaning_is_not_done_at_every_tick(gone: ApiKey, monkeypatch: pytest.MonkeyPatch):
    done = itertools.count(1)
    monkeypatch.setattr(retention, "clean", lambda: next(done))
    monkeypatch.setattr(retention, "_last", float("-inf"))
    assert [clean_now_and_then() for _ in range(3)] == [1, 0, 0]


def test_cleaning_twice_is_cleaning_once(gone: ApiKey):
    assert [clean(later(days=30)) > 0 for _ in range(2)] == [True, False]
