"""New accounts: who gets one, under which name, with which password and number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from apps.accounts.login.passwords import password_set
from apps.accounts.models import AccountNumber, User
from apps.accounts.selectors import is_set_up
from apps.accounts.services import account_create, first_admin_create
from apps.control.models import AuditEntry, Operation
from apps.control.reconcile import reconcile_one
from apps.core.errors import Conflict, Invalid
from apps.environments.actor import Actor

GOOD = "a long enough phrase"


def make(login: str = "zoe", password: str = GOOD, **more: Any) -> User:
    return account_create(actor=None, login=login, password=password, **more)


@pytest.mark.parametrize("password", ["", "short", "1234567", "password", "qwertyuiop"])
def test_a_weak_password_is_refused_and_nothing_is_made(db: None, password: str):
    with pytest.raises(Invalid) as refusal:
        make(password=password)
    assert (refusal.value.field, refusal.value.status) == ("password", 422)
    assert not User.objects.exists()
    assert not Operation.all_objects.exists()


def test_a_good_password_is_kept_as_a_hash_only(db: None):
    user = make()
    assert user.check_password(GOOD)
    with connection.cursor() as cursor:
        cursor.execute("SELECT password FROM accounts_user")
        assert GOOD not in cursor.fetchone()[0]


def test_the_password_is_in_no_operation_and_no_audit_line(people: Any, actor_of: Callable[..., Actor]):
    account_create(actor=actor_of("root"), login="zoe", password=GOOD)
    recorded = [str(row.input) for row in Operation.all_objects.all()]
    recorded += [str(row.request) for row in AuditEntry.all_objects.all()]
    assert not [text for text in recorded if GOOD in text]


@pytest.mark.parametrize("login", ["", "   "])
def test_a_name_is_required(db: None, login: str):
    with pytest.raises(Invalid) as refusal:
        make(login)
    assert (refusal.value.field, refusal.value.code) == ("login", "MissingRequired")


def test_a_name_too_long_is_refused(db: None):
    with pytest.raises(Invalid, match="255"):
        make("x" * 256)


@pytest.mark.parametrize("login", ["zoe", "ZOE", " Zoe "])
def test_a_name_is_given_once_whatever_its_case(db: None, login: str):
    make("Zoe")
    with pytest.raises(Invalid) as refusal:
        make(login)
    assert refusal.value.code == "NotUnique"


def test_an_unknown_kind_is_refused(db: None):
    with pytest.raises(Invalid) as refusal:
        make(kind="king")
    assert refusal.value.field == "kind"


def test_a_new_account_is_called_by_its_login_until_it_has_a_name(db: None):
    assert (make().name, make("max", name="Max M.").name) == ("zoe", "Max M.")


def test_the_loop_makes_a_new_account_active(db: None):
    user = make()
    assert (user.display_state, user.transitioning) == ("registering", "yes")
    assert reconcile_one("account", user.pk)
    user = User.objects.get()
    assert (user.display_state, user.transitioning, user.is_active) == ("active", "no", True)


def test_accounts_begin_after_the_well_known_numbers(db: None):
    assert [make().pk, make("max").pk] == [6, 7]
    assert list(AccountNumber.objects.order_by("pk").values_list("pk", flat=True)) == [1, 2, 3, 4, 5, 6, 7]


def test_the_first_admin_is_account_one_and_there_is_one_first_admin(db: None):
    assert not is_set_up()
    first = first_admin_create(login="root", password=GOOD)
    assert (first.pk, first.is_admin, first.is_staff) == (1, True, True)
    assert is_set_up()
    with pytest.raises(Conflict, match="log in instead"):
        first_admin_create(login="other", password=GOOD)
    assert User.objects.count() == 1


def test_a_weak_password_does_not_use_the_set_up_link_up(db: None):
    with pytest.raises(Invalid):
        first_admin_create(login="root", password="short")
    assert not is_set_up()
    assert first_admin_create(login="root", password=GOOD).is_admin


def test_a_new_password_replaces_the_old_one(people: Any, actor_of: Callable[..., Actor]):
    password_set(people.bob, "another long phrase", actor=actor_of("root"))
    bob = User.objects.get(login="bob")
    assert bob.check_password("another long phrase")
    assert AuditEntry.all_objects.filter(event="account.password", target=bob.pk).exists()


def test_a_weak_new_password_leaves_the_old_one(people: Any, actor_of: Callable[..., Actor]):
    before = people.bob.password
    with pytest.raises(Invalid):
        password_set(people.bob, "short", actor=actor_of("root"))
    assert User.objects.get(login="bob").password == before
