"""Wherever a password is set, one that nearly equals the account's login name or name is refused."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.login.password_policy import password_check
from apps.accounts.models import User
from apps.accounts.services import account_create
from apps.console.login.setup import setup_link_create
from apps.core.errors import Invalid

PASSWORD = "correct horse battery staple"
NEAR = "Katherine.J1"
WORDS = "too similar to the account"
HX = {"HX-Request": "true"}


@pytest.fixture
def kate(people: Any, run_loop: Any) -> User:
    """An administrator with a long name."""
    user = account_create(actor=None, login="katherine.j", name="Katherine Johnson", password=PASSWORD, kind="admin")
    run_loop()
    user.refresh_from_db()
    return user


@pytest.mark.parametrize(
    ("login", "name", "password"),
    [
        ("katherine.j", "", "katherine.j"),
        ("katherine.j", "", "Katherine.J1"),
        ("katherine.j", "", "KATHERINE99"),
        ("katherine.j", "", "j.enirehtak"),
        ("kj", "Katherine Johnson", "katherinejohnson"),
        ("kj", "Katherine Johnson", "johnson12"),
    ],
)
def test_what_is_nearly_the_name_is_refused(login: str, name: str, password: str):
    with pytest.raises(Invalid, match=WORDS) as refusal:
        password_check(password, User(login=login, name=name), field="secret")
    assert (refusal.value.field, refusal.value.code) == ("secret", "InvalidFormat")


@pytest.mark.parametrize(
    ("login", "name", "password"),
    [
        ("katherine.j", "Katherine Johnson", "three orbits and home"),
        ("katherine.j", "Katherine Johnson", "johnson likes long walks at sea"),
        ("k", "", "kkkkkkkk!2kq"),
        ("", "", "three orbits"),
    ],
)
def test_what_only_shares_letters_is_taken(login: str, name: str, password: str):
    password_check(password, User(login=login, name=name))


def test_an_account_that_nobody_is_known_of_yet_has_no_name_to_be_near():
    password_check(NEAR)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("accounts", {"login": "katherine.k", "password": NEAR}, "password"),
        ("passwords", {"accountId": "1a{pk}", "secretValue": NEAR}, "secretValue"),
        ("localauthconfigs", {"username": "katherine.j", "password": NEAR}, "password"),
        ("localauthconfigs", {"username": "katherine.k", "password": NEAR}, "password"),
        ("passwords/1p{pk}/?action=changesecret", {"oldSecret": PASSWORD, "newSecret": NEAR}, "newSecret"),
    ],
)
def test_over_the_api_at_the_field_that_was_sent(kate: User, program: Any, path: str, body: dict[str, str], field: str):
    sent = {key: value.format(pk=kate.pk) for key, value in body.items()}
    answer = program("katherine.j").post(path.format(pk=kate.pk), sent)
    assert (answer.status, answer.body["code"], answer.body["fieldName"]) == (422, "InvalidFormat", field)
    assert WORDS in answer.body["message"]
    kate.refresh_from_db()
    assert kate.check_password(PASSWORD)
    assert not User.objects.filter(login="katherine.k").exists()


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/account/password", {"current": PASSWORD, "password": NEAR}),
        ("/admin/accounts/new", {"login": "katherine.k", "password": NEAR, "kind": "user"}),
        ("/admin/accounts/{pk}/edit", {"name": "Kate", "kind": "admin", "password": NEAR}),
    ],
)
def test_in_the_console_at_its_field(kate: User, browser: Any, path: str, sent: dict[str, str]):
    answer = browser("katherine.j").post(path.format(pk=kate.pk), sent, headers=HX)
    assert answer.status_code == 422
    assert WORDS in answer.context["errors"]["password"]
    kate.refresh_from_db()
    assert kate.check_password(PASSWORD)
    assert not User.objects.filter(login="katherine.k").exists()


@pytest.mark.django_db
def test_by_the_set_up_link_which_still_works():
    token = setup_link_create()
    sent = {"login": "katherine.j", "name": "Kate"}
    answer = Client().post(f"/setup/{token}", {**sent, "password": NEAR})
    assert answer.status_code == 422
    assert WORDS in answer.context["errors"]["password"]
    assert not User.objects.exists()
    assert Client().post(f"/setup/{token}", {**sent, "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize("login", ["katherine.j", "katherine.k"])
def test_by_the_reset_command_for_an_old_and_a_new_administrator(
    kate: User, login: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NEAR}\n"))
    with pytest.raises(CommandError, match=WORDS):
        call_command("reset_admin", "--login", login)
    kate.refresh_from_db()
    assert kate.check_password(PASSWORD)
    assert not User.objects.filter(login="katherine.k").exists()


@pytest.mark.django_db
def test_by_the_command_for_the_first_administrator(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NEAR}\n"))
    with pytest.raises(CommandError, match=WORDS):
        call_command("first_admin", "--login", "katherine.j")
    assert not User.objects.exists()
