"""What ends sessions: a new password, deactivation, another kind of account, and their owner; others stay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apps.accounts.login.passwords import password_change, password_set
from apps.accounts.login.sessions import (
    session_end,
    sessions_close,
    sessions_end_others,
    sessions_of,
    sessions_of_provider_close,
)
from apps.accounts.models import FailedLogin, Session, User
from apps.accounts.services import account_act, account_create, account_update
from apps.control.models import AuditEntry
from apps.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Problem,
)
from apps.core.hooks import hooks

PASSWORD = "correct horse battery staple"
NEW = "another quite long phrase"


@pytest.fixture
def notified(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The messages that sockets receive."""
    received: list[Any] = []
    monkeypatch.setattr(hooks, "rights_changed", [received.append])
    return received


ENDS: dict[str, Callable[[User, Any], Any]] = {
    "deactivated": lambda user, root: account_act(user, "deactivate", actor=root),
    "made an administrator": lambda user, root: account_update(user, actor=root, kind="admin"),
    "given a password": lambda user, root: password_set(user, NEW, actor=root),
    "given a password on the command line": lambda user, _root: password_set(user, NEW, actor=None),
}


@pytest.mark.parametrize("what", ENDS)
def test_all_sessions_of_the_account_end_at_once_and_nobody_else_s(
    people: Any, browser: Any, program: Any, actor_of: Any, is_in: Any, notified: Any, what: str
):
    bob, alice, token = browser("bob"), browser("alice"), program("bob")
    ENDS[what](people.bob, actor_of("root"))
    assert not Session.objects.filter(account=people.bob).exists()
    assert not is_in(bob)
    assert token.get("projects").status == 401
    assert is_in(alice)
    assert {"account": people.bob.pk} in notified


HARMLESS: dict[str, Callable[[User, Any], Any]] = {
    "renamed": lambda user, root: account_update(user, actor=root, name="Robert"),
    "given the kind it has": lambda user, root: account_update(user, actor=root, kind="user"),
}


@pytest.mark.parametrize("what", HARMLESS)
def test_a_change_that_takes_no_right_ends_nothing(people: Any, browser: Any, actor_of: Any, is_in: Any, what: str):
    bob = browser("bob")
    HARMLESS[what](people.bob, actor_of("root"))
    assert is_in(bob)


def test_a_refused_change_ends_nothing(people: Any, browser: Any, actor_of: Any, is_in: Any):
    bob, root = browser("bob"), browser("root")
    with pytest.raises(Forbidden):
        account_act(people.bob, "deactivate", actor=actor_of("alice"))
    with pytest.raises(Conflict):
        account_act(people.root, "deactivate", actor=actor_of("root"))
    with pytest.raises(Invalid):
        password_set(people.bob, "short", actor=actor_of("root"))
    assert is_in(bob)
    assert is_in(root)


def test_one_s_own_new_password_keeps_this_session_and_ends_the_others(
    people: Any, browser: Any, program: Any, is_in: Any
):
    here, there, token = browser("bob"), browser("bob"), program("bob")
    answer = here.post("/account/password", {"current": PASSWORD, "password": NEW}, headers={"HX-Request": "true"})
    assert "2 other sessions ended" in answer["HX-Trigger"]
    assert (is_in(here), is_in(there)) == (True, False)
    assert token.get("projects").status == 401


def test_a_new_password_without_other_sessions_does_not_speak_of_them(people: Any, browser: Any):
    answer = browser("bob").post(
        "/account/password", {"current": PASSWORD, "password": NEW}, headers={"HX-Request": "true"}
    )
    assert "Your password was changed." in answer["HX-Trigger"]
    assert "ended" not in answer["HX-Trigger"]


@pytest.mark.parametrize(
    ("current", "new", "field", "words"),
    [
        ("wrong", NEW, "current", "not your current password"),
        ("", NEW, "current", "not your current password"),
        ("x" * 5000, NEW, "current", "not your current password"),
        (PASSWORD, "short", "password", "too short"),
        (PASSWORD, "password", "password", "too common"),
        (PASSWORD, PASSWORD, "password", "is the old one"),
        (PASSWORD, "x" * 5000, "password", "at most 1024"),
        (PASSWORD, "with\0nul inside", "password", "no NUL"),
    ],
)
def test_a_bad_password_change_is_refused_at_its_field(
    people: Any, browser: Any, is_in: Any, current: str, new: str, field: str, words: str
):
    here, there = browser("bob"), browser("bob")
    answer = here.post("/account/password", {"current": current, "password": new})
    assert answer.status_code == 422
    assert words in answer.context["errors"][field]
    assert is_in(there)
    people.bob.refresh_from_db()
    assert people.bob.check_password(PASSWORD)


def test_guessing_the_current_password_is_as_slow_as_guessing_a_log_in(people: Any, browser: Any, actor_of: Any):
    client = browser("bob")
    for _ in range(8):
        client.post("/account/password", {"current": "wrong", "password": NEW})
    with pytest.raises(Problem, match="Too many failed log-ins") as refused:
        password_change(people.bob, PASSWORD, NEW, actor=actor_of("bob"))
    assert refused.value.status == 429
    assert FailedLogin.objects.filter(login="bob").count() == 8
    answer = client.post("/account/password", {"current": PASSWORD, "password": NEW})
    assert answer.status_code == 302


def test_a_provider_s_people_have_no_password_to_change_here(people: Any, actor_of: Any):
    people.rita.set_unusable_password()
    people.rita.save()
    with pytest.raises(Invalid, match="kept by the log-in provider"):
        password_change(people.rita, "", NEW, actor=actor_of("rita"))


@pytest.mark.parametrize("who", ["bob", "alice", "mallory"])
def test_only_administrators_set_other_peoples_passwords(people: Any, actor_of: Any, who: str):
    with pytest.raises(Forbidden):
        password_set(people.bob, NEW, actor=actor_of(who))
    people.bob.refresh_from_db()
    assert people.bob.check_password(PASSWORD)


def test_a_new_password_is_written_down_without_it(people: Any, browser: Any, actor_of: Any):
    browser("bob")
    password_set(people.bob, NEW, actor=actor_of("root"))
    entry = AuditEntry.all_objects.get(event="account.password")
    assert (entry.account, entry.target, entry.request) == (people.root, people.bob.pk, {"sessionsEnded": 1})
    assert NEW not in str(AuditEntry.all_objects.values())


def test_closing_counts_what_was_alive(people: Any, browser: Any, program: Any, later: Any):
    browser("bob")
    later(hours=17)
    for _ in range(2):
        browser("bob")
    program("bob")
    assert sessions_of(people.bob).count() == 3
    assert hooks.sessions_close(people.bob) == 3
    assert sessions_close(people.bob) == 0


def test_ending_one_ends_that_one(people: Any, browser: Any, actor_of: Any, is_in: Any, notified: Any):
    here, there = browser("bob"), browser("bob")
    mine = Session.objects.filter(account=people.bob).order_by("pk")[1]
    session_end(mine, actor=actor_of("bob"))
    assert (is_in(here), is_in(there)) == (True, False)
    assert notified == [{"account": people.bob.pk}]
    assert AuditEntry.all_objects.filter(event="session.end", target=people.bob.pk).count() == 1


def test_ending_the_others_keeps_the_one_with_the_key(people: Any, browser: Any, actor_of: Any, is_in: Any):
    here, there, root = browser("bob"), browser("bob"), browser("root")
    key = here.cookies["corral_session"].value
    assert sessions_end_others(people.bob, keep=key, actor=actor_of("bob")) == 1
    assert (is_in(here), is_in(there), is_in(root)) == (True, False, True)
    assert AuditEntry.all_objects.get(event="session.endall").request == {"ended": 1}


def test_the_sessions_of_a_provider_end_together(people: Any, browser: Any, is_in: Any, notified: Any):
    bob, rita, root = browser("bob"), browser("rita"), browser("root")
    Session.objects.exclude(account=people.root).update(provider="openldap")
    assert sessions_of_provider_close("openldap") == 2
    assert sessions_of_provider_close("github") == 0
    assert [is_in(each) for each in (bob, rita, root)] == [False, False, True]
    assert sorted(each["account"] for each in notified) == sorted([people.bob.pk, people.rita.pk])


def test_an_administrator_with_a_password_of_ones_own_always_stays(people: Any, actor_of: Any):
    cloud = account_create(actor=actor_of("root"), login="cloud", password=PASSWORD, kind="admin")
    cloud.set_unusable_password()
    cloud.save()
    for ask in (
        lambda: account_act(people.root, "deactivate", actor=actor_of("root")),
        lambda: account_update(people.root, actor=actor_of("root"), kind="user"),
    ):
        with pytest.raises(Conflict, match="has a password kept here"):
            ask()
    account_act(cloud, "deactivate", actor=actor_of("root"))
    assert not User.objects.get(pk=cloud.pk).is_active
