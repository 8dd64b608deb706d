"""API keys: the pair is shown once, works while key and account are active, and no longer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.accounts.selectors import find_usable_key
from apps.accounts.services import (
    NewKey,
    account_act,
    key_act,
    key_create,
    key_update,
    record_key_use,
)
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import Forbidden
from apps.environments.actor import Actor

Actors = Callable[..., Actor]


@pytest.fixture
def made(people: Any, actor_of: Actors) -> NewKey:
    """Bob's key, reconciled."""
    new = key_create(actor=actor_of("bob"), account=people.bob, name="ci")
    reconcile_one("apiKey", new.key.pk)
    new.key.refresh_from_db()
    return new


def test_the_pair_is_shaped_as_v1_clients_know_it(made: NewKey):
    assert re.fullmatch(r"[0-9A-F]{20}", made.key.public_value)
    assert re.fullmatch(r"[A-HJ-NP-Za-km-z1-9]{40}", made.secret)


def test_two_keys_are_never_alike(people: Any, actor_of: Actors):
    one, two = (key_create(actor=actor_of("bob"), account=people.bob) for _ in range(2))
    assert one.key.public_value != two.key.public_value
    assert one.secret != two.secret


def test_the_secret_is_nowhere_in_the_database(made: NewKey):
    with connection.cursor() as cursor:
        for table in ("accounts_apikey", "control_operation", "control_auditentry"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own names
            assert made.secret not in str(cursor.fetchall())


def test_the_right_pair_opens(made: NewKey):
    assert find_usable_key(made.key.public_value, made.secret) == made.key


@pytest.mark.parametrize("wrong", ["", "x", "é", "0" * 40])
def test_a_wrong_pair_does_not(made: NewKey, wrong: str):
    assert find_usable_key(made.key.public_value, wrong) is None
    assert find_usable_key(wrong, made.secret) is None


def test_a_new_key_works_before_the_first_reconcile(people: Any, actor_of: Actors):
    new = key_create(actor=actor_of("bob"), account=people.bob)
    assert new.key.display_state == "registering"
    assert find_usable_key(new.key.public_value, new.secret) == new.key


def test_a_deactivated_key_is_refused_at_once_and_accepted_again_when_activated(made: NewKey, actor_of: Actors):
    pair = made.key.public_value, made.secret
    key_act(made.key, "deactivate", actor=actor_of("bob"))
    assert find_usable_key(*pair) is None
    reconcile_one("apiKey", made.key.pk)
    made.key.refresh_from_db()
    assert find_usable_key(*pair) is None
    key_act(made.key, "activate", actor=actor_of("bob"))
    assert find_usable_key(*pair) == made.key


def test_a_removed_key_is_refused_at_once(made: NewKey, actor_of: Actors):
    key_act(made.key, "deactivate", actor=actor_of("bob"))
    reconcile_one("apiKey", made.key.pk)
    made.key.refresh_from_db()
    key_act(made.key, "remove", actor=actor_of("bob"))
    assert find_usable_key(made.key.public_value, made.secret) is None


def test_the_key_of_a_deactivated_account_is_refused_at_once(people: Any, made: NewKey, actor_of: Actors):
    account_act(people.bob, "deactivate", actor=actor_of("root"))
    assert find_usable_key(made.key.public_value, made.secret) is None


def test_nobody_touches_the_keys_of_another(made: NewKey, actor_of: Actors):
    for who in ("alice", "mallory"):
        with pytest.raises(Forbidden):
            key_act(made.key, "deactivate", actor=actor_of(who))
        with pytest.raises(Forbidden):
            key_update(made.key, actor=actor_of(who), name="mine")
    assert find_usable_key(made.key.public_value, made.secret) == made.key


def test_an_admin_may_take_a_key_away(made: NewKey, actor_of: Actors):
    key_act(made.key, "deactivate", actor=actor_of("root"))
    assert find_usable_key(made.key.public_value, made.secret) is None


def test_what_is_secret_about_a_key_cannot_be_changed(made: NewKey, actor_of: Actors):
    before = made.key.public_value
    key_update(made.key, actor=actor_of("bob"), name="cd", description="d", public_value="X", secret_hash="X")
    key = ApiKey.objects.get()
    assert (key.name, key.description, key.public_value) == ("cd", "d", before)
    assert key.accepts(made.secret)


def test_using_a_key_is_noted_at_most_once_a_minute(made: NewKey):
    record_key_use(made.key)
    first = ApiKey.objects.get()
    assert first.last_used is not None
    record_key_use(first)
    assert ApiKey.objects.get().last_used == first.last_used
    ApiKey.all_objects.update(last_used=timezone.now() - timedelta(seconds=61))
    record_key_use(ApiKey.objects.get())
    assert (timezone.now() - (ApiKey.objects.get().last_used or first.last_used)).total_seconds() < 60


def test_making_a_key_is_written_down(made: NewKey):
    assert Operation.all_objects.get(kind="apiKey").name == "apiKey.create"
    assert AuditEntry.all_objects.filter(event="apiKey.create", target=made.key.pk).count() == 1
