"""Lock-outs: a command restores an administrator, and the last one with a password is never locked out."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.login import second_factor
from apps.accounts.login.admin_reset import admin_reset
from apps.accounts.models import (
    AuthProvider,
    FailedLogin,
    Session,
    User,
)
from apps.accounts.selectors import break_glass
from apps.accounts.services import account_act, account_create, record_failed_login
from apps.control.models import AuditEntry
from apps.core.errors import Conflict, Invalid

PASSWORD = "correct horse battery staple"
NEW = "another quite long phrase"


def reset(monkeypatch: pytest.MonkeyPatch, login: str, typed: str = NEW) -> str:
    output = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    call_command("reset_admin", "--login", login, stdout=output)
    return output.getvalue()


def gets_in(login: str, password: str = NEW) -> bool:
    client = Client()
    client.post("/login", {"login": login, "password": password})
    return client.get("/admin/accounts").status_code == 200


def test_an_administrator_who_forgot_the_password_gets_in(people: Any, monkeypatch: pytest.MonkeyPatch):
    assert "root can log in" in reset(monkeypatch, "ROOT")
    assert gets_in("root")
    assert not gets_in("root", PASSWORD)


def test_one_who_lost_the_phone_gets_in(people: Any, phone: Any, monkeypatch: pytest.MonkeyPatch):
    phone("root")
    reset(monkeypatch, "root")
    assert second_factor.factor_of(people.root) is None
    assert gets_in("root")


def test_one_who_must_wait_gets_in(people: Any, monkeypatch: pytest.MonkeyPatch):
    for _ in range(60):
        record_failed_login("root", "127.0.0.1")
    assert not gets_in("root", PASSWORD)
    reset(monkeypatch, "root")
    assert gets_in("root")
    assert not FailedLogin.objects.exists()


def test_where_there_is_none_one_is_made(people: Any, monkeypatch: pytest.MonkeyPatch):
    reset(monkeypatch, "rescue")
    assert gets_in("rescue")
    assert User.objects.get(login="rescue").is_admin


@pytest.mark.django_db
def test_even_on_an_empty_installation(monkeypatch: pytest.MonkeyPatch):
    reset(monkeypatch, "first")
    assert gets_in("first")


def test_a_member_becomes_an_administrator_and_keeps_no_session(people: Any, browser: Any, monkeypatch: Any):
    browser("bob")
    reset(monkeypatch, "bob")
    assert not Session.objects.filter(account=people.bob).exists()
    assert gets_in("bob")


def test_a_deactivated_one_is_activated(people: Any, actor_of: Any, run_loop: Any, monkeypatch: Any):
    second = account_create(actor=actor_of("root"), login="second", password=PASSWORD, kind="admin")
    run_loop()
    account_act(second, "deactivate", actor=actor_of("root"))
    run_loop()
    reset(monkeypatch, "second")
    assert gets_in("second")


def test_a_removed_one_is_not_brought_back(people: Any, actor_of: Any, run_loop: Any, monkeypatch: Any):
    for action in ("deactivate", "remove"):
        people.rita.refresh_from_db()
        account_act(people.rita, action, actor=actor_of("root"))
        run_loop()
    with pytest.raises(CommandError, match="give another name"):
        reset(monkeypatch, "rita")
    assert not gets_in("rita")


@pytest.mark.parametrize("typed", ["", "short", "password"])
def test_a_weak_password_is_refused_and_nothing_is_changed(people: Any, phone: Any, monkeypatch: Any, typed: str):
    phone("root")
    with pytest.raises(CommandError):
        reset(monkeypatch, "root", typed)
    assert second_factor.factor_of(people.root) is not None
    with pytest.raises(Invalid):
        admin_reset("new", typed)
    assert not User.objects.filter(login="new").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("again", "changed"), [(NEW, True), ("something else", False)])
def test_at_a_terminal_the_password_is_asked_for_twice(people: Any, monkeypatch: Any, again: str, changed: bool):
    answers = iter([NEW, again])
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(answers))
    if changed:
        call_command("reset_admin", "--login", "root")
    else:
        with pytest.raises(CommandError, match="two different passwords"):
            call_command("reset_admin", "--login", "root")
    assert gets_in("root") == changed


def test_it_is_written_down_without_the_password(people: Any, monkeypatch: pytest.MonkeyPatch):
    reset(monkeypatch, "root")
    events = set(AuditEntry.all_objects.values_list("event", flat=True))
    assert {"account.password", "factor.reset"} <= events
    assert NEW not in str(AuditEntry.all_objects.values())


@pytest.fixture
def broken(people: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every provider is on and none answers, site access is for nobody, and a second factor is required of all."""
    from apps.accounts.providers import directory
    from apps.accounts.providers.errors import DirectoryDown
    from apps.core.models import Setting

    def fails(*_: Any) -> None:
        raise DirectoryDown("down")

    for kind in ("openldap", "ad", "github"):
        AuthProvider.objects.create(kind=kind, enabled=True, stored={"accessMode": "required"})
    monkeypatch.setattr(directory, "identify", fails)
    Setting.objects.create(name="totp.required", value="all")


def test_the_last_administrator_with_a_password_gets_in_whatever_is_broken(broken: None, people: Any):
    assert break_glass() == people.root
    assert authenticate(username="root", password=PASSWORD) == people.root
    assert gets_in("root", PASSWORD)


def test_the_same_over_the_api(broken: None, program: Any):
    assert program("root").get("accounts").status == 200


def test_the_command_works_while_everything_is_broken(broken: None, people: Any, monkeypatch: pytest.MonkeyPatch):
    reset(monkeypatch, "root")
    assert gets_in("root")


def test_who_the_last_one_is(people: Any, actor_of: Any):
    assert break_glass() == people.root
    second = account_create(actor=actor_of("root"), login="second", password=PASSWORD, kind="admin")
    assert break_glass() is None
    second.set_unusable_password()
    second.save()
    assert break_glass() == people.root
    with pytest.raises(Conflict):
        account_act(people.root, "deactivate", actor=actor_of(second))
