"""Retention deletes old removed rows and finished operations, never what is alive, pending or young."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.accounts.models import ApiKey, User
from apps.accounts.services import key_act
from apps.control import retention
from apps.control.audit import chain
from apps.control.audit.verify import verify
from apps.control.models import (
    AuditEntry,
    AuditHead,
    Operation,
    OperationLine,
)
from apps.control.reconcile import reconcile_one
from apps.control.retention import delete_expired_rows
from apps.control.services import record
from apps.core.models import Setting
from apps.environments.actor import Actor
from apps.environments.models import Environment, Member

Actors = Callable[..., Actor]


def later(**ahead: float) -> Any:
    return timezone.now() + timedelta(**ahead)


@pytest.fixture
def deleted_key(key: ApiKey, actor_of: Actors) -> ApiKey:
    """A key that was just removed."""
    for action in ("deactivate", "remove"):
        reconcile_one("apiKey", key.pk)
        key.refresh_from_db()
        key_act(key, action, actor=actor_of("bob"))
    reconcile_one("apiKey", key.pk)
    return key


def test_a_removed_row_stays_for_a_day_and_then_goes(deleted_key: ApiKey):
    delete_expired_rows(later(hours=23))
    assert ApiKey.objects.filter(pk=deleted_key.pk).exists()
    delete_expired_rows(later(hours=25))
    assert not ApiKey.objects.filter(pk=deleted_key.pk).exists()


def test_how_long_is_the_admins_choice(deleted_key: ApiKey):
    Setting.objects.create(name="retention.removed.hours", value="1")
    delete_expired_rows(later(minutes=61))
    assert not ApiKey.objects.filter(pk=deleted_key.pk).exists()


def test_what_is_alive_stays_for_ever(lab: Environment, key: ApiKey):
    delete_expired_rows(later(days=5000))
    assert ApiKey.objects.filter(pk=key.pk).exists()
    assert Environment.objects.filter(pk=lab.pk).exists()
    assert User.objects.count() == 6


def test_finished_operations_go_and_open_ones_stay(people: Any, deleted_key: ApiKey):
    done = Operation.all_objects.filter(kind="apiKey", state="succeeded").first()
    assert done is not None
    OperationLine.objects.create(operation=done, text="a step")
    Operation.all_objects.filter(kind="account").update(state="running", ended=None)
    delete_expired_rows(later(days=13))
    assert Operation.all_objects.filter(kind="apiKey").count() == 3
    delete_expired_rows(later(days=15))
    assert not Operation.all_objects.filter(kind="apiKey").exists()
    assert not OperationLine.objects.exists()
    assert Operation.all_objects.filter(kind="account").count() == 6


def test_superseded_operations_go_too(people: Any, key: ApiKey, actor_of: Actors):
    key_act(key, "deactivate", actor=actor_of("bob"))
    assert Operation.all_objects.filter(state="superseded").count() == 1
    delete_expired_rows(later(days=15))
    assert not Operation.all_objects.filter(state="superseded").exists()


def test_a_deleted_account_leaves_its_entries_in_the_audit_log(people: Any, lab: Environment, actor_of: Actors):
    User.all_objects.filter(pk=people.alice.pk).update(removed=timezone.now(), desired="removed", state="removed")
    delete_expired_rows(later(hours=25))
    assert not User.objects.filter(pk=people.alice.pk).exists()
    assert not Member.objects.filter(account=people.alice.pk).exists()
    oldest_entry = AuditEntry.objects.within([lab.pk]).order_by("pk")[0]
    assert (oldest_entry.account, oldest_entry.account_number) == (None, people.alice.pk)
    assert oldest_entry.fingerprint() == oldest_entry.digest


def test_deleting_twice_is_deleting_once(deleted_key: ApiKey):
    assert [delete_expired_rows(later(days=30)) > 0 for _ in range(2)] == [True, False]


@pytest.fixture
def history(lab: Environment, actor_of: Actors) -> list[AuditEntry]:
    """Six lines of the lab, a day apart and all answered, the youngest an hour old."""
    AuditEntry.all_objects.filter(environment=lab).delete()
    AuditHead.objects.filter(environment_number=lab.pk).delete()
    found = []
    for age in (100, 95, 91, 89, 2, 0):
        entry = AuditEntry(
            environment=lab, via="api", event=f"aged.{age}", at=timezone.now() - timedelta(days=age, hours=1)
        )
        chain.append_entry(entry)
        chain.record_answers([entry], "200", {"age": age})
        found.append(entry)
    return found


def remaining_events(environment: Environment) -> list[str]:
    return list(AuditEntry.objects.within([environment.pk]).order_by("pk").values_list("event", flat=True))


def test_old_audit_lines_go_and_the_rest_of_the_chain_still_verifies(lab: Environment, history: list[AuditEntry]):
    assert delete_expired_rows() > 0
    assert remaining_events(lab) == ["aged.89", "aged.2", "aged.0"]
    report = verify(lab.pk)
    assert (report.is_intact, report.lines, report.pruned) == (True, 3, 3)
    delete_expired_rows(later(days=2))
    assert remaining_events(lab) == ["aged.2", "aged.0"]
    assert (verify(lab.pk).is_intact, verify(lab.pk).pruned) == (True, 4)


def test_a_chain_may_be_forgotten_altogether_and_goes_on(lab: Environment, history: list[AuditEntry]):
    delete_expired_rows(later(days=200))
    assert remaining_events(lab) == []
    assert verify(lab.pk).is_intact
    record("next", actor=None, environment_id=lab.pk)
    assert (remaining_events(lab), verify(lab.pk).is_intact) == (["next"], True)


@pytest.mark.parametrize(("days", "left"), [("0", 6), ("-1", 6), ("1000", 6), ("3", 2), ("nonsense", 3)])
def test_how_long_the_audit_log_is_kept_is_the_admins_choice(
    lab: Environment, history: list[AuditEntry], days: str, left: int
):
    Setting.objects.create(name="retention.audit.days", value=days)
    delete_expired_rows()
    assert len(remaining_events(lab)) == left
    assert verify(lab.pk).is_intact


@pytest.mark.parametrize(
    "change",
    [
        {"pruned": 4},
        {"pruned_digest": "0" * 64},
        {"pruned_lines": 1},
        {"pruned_until": None},
        {"pruned_seal": ""},
    ],
)
def test_a_checkpoint_that_somebody_changed_is_reported(lab: Environment, history: list[AuditEntry], change: Any):
    delete_expired_rows()
    AuditHead.objects.filter(environment_number=lab.pk).update(**change)
    assert "the checkpoint at its beginning was changed" in [fault.what for fault in verify(lab.pk).faults]


def test_more_entries_pruned_than_the_checkpoint_says_are_reported(lab: Environment, history: list[AuditEntry]):
    delete_expired_rows()
    AuditEntry.all_objects.filter(event="aged.89").delete()
    assert [fault.what for fault in verify(lab.pk).faults] == ["follows on 2 links taken out"]


def test_a_line_whose_answer_came_late_waits_for_those_in_between(lab: Environment, history: list[AuditEntry]):
    old, young = (AuditEntry(environment=lab, via="api", event=name) for name in ("old", "young"))
    old.at = timezone.now() - timedelta(days=200)
    for entry in (old, young):
        chain.append_entry(entry)
    chain.record_answers([old], "200", {})
    delete_expired_rows(later(days=89))
    assert remaining_events(lab) == ["aged.0", "old", "young"]  # the old one's answer stands behind the young one
    assert verify(lab.pk).is_intact
    delete_expired_rows(later(days=91))
    assert remaining_events(lab) == []
    assert verify(lab.pk).is_intact


def test_cleaning_takes_one_batch_at_a_time(
    lab: Environment, history: list[AuditEntry], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(retention, "BATCH", 2)
    delete_expired_rows()
    assert len(remaining_events(lab)) == 4
    assert verify(lab.pk).is_intact
    delete_expired_rows()
    assert len(remaining_events(lab)) == 3
