"""Changes to access require the password again, unless it was typed within ten minutes."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from apps.accounts.login.credentials import can_reauthenticate, password_confirm, session_confirm
from apps.accounts.models import (
    AuthProvider,
    FailedLogin,
    Identity,
    Session,
)
from apps.accounts.services import key_create
from apps.control.models import AuditEntry
from apps.core.errors import Invalid, ReauthenticationRequired, Unauthorized
from apps.core.services import require_recent_auth
from apps.environments.actor import (
    SYSTEM,
    Actor,
    actor_of_key,
    actor_of_user,
)

PASSWORD = "correct horse battery staple"
HX = {"HX-Request": "true"}


@pytest.fixture
def stale(browser: Any, later: Any) -> Any:
    """A browser that logged in a while ago."""

    def make(login: str) -> Client:
        client: Client = browser(login)
        later(minutes=11)
        return client

    return make


def recently_authenticated(login: str) -> bool:
    session = Session.objects.get(account__login=login)
    assert session.account is not None
    return actor_of_user(session.account, "console", session=session).recently_authenticated


def test_a_log_in_counts_for_ten_minutes(people: Any, browser: Any, later: Any):
    browser("root")
    assert recently_authenticated("root")
    later(minutes=9)
    assert recently_authenticated("root")
    later(minutes=2)
    assert not recently_authenticated("root")


def test_the_password_makes_it_count_again(people: Any, stale: Any):
    client = stale("root")
    assert client.get("/confirm?next=/admin/settings").status_code == 200
    answer = client.post("/confirm", {"password": PASSWORD, "next": "/admin/settings"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/settings")
    assert recently_authenticated("root")
    assert AuditEntry.all_objects.filter(event="session.confirm", account=people.root).count() == 1


@pytest.mark.parametrize("password", ["", "wrong", "x" * 5000])
def test_a_wrong_password_does_not_and_is_counted(people: Any, stale: Any, password: str):
    client = stale("root")
    answer = client.post("/confirm", {"password": password})
    assert answer.status_code == 422
    assert b"not your current password" in answer.content
    assert not recently_authenticated("root")
    assert FailedLogin.objects.filter(login="root").count() == 1


def test_guessing_is_slowed_down(people: Any, stale: Any):
    client = stale("root")
    for _ in range(8):
        client.post("/confirm", {"password": "wrong"})
    assert b"Too many failed log-ins" in client.post("/confirm", {"password": PASSWORD}).content
    assert not recently_authenticated("root")


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_it_leads_nowhere_else(people: Any, stale: Any, wanted: str):
    assert stale("root").post("/confirm", {"password": PASSWORD, "next": wanted})["Location"] == "/"


def test_confirming_in_one_browser_does_not_count_for_another(people: Any, browser: Any, later: Any):
    one, _other = browser("root"), browser("root")
    later(minutes=11)
    one.post("/confirm", {"password": PASSWORD})
    recent_calls = [
        actor_of_user(people.root, "console", session=row).recently_authenticated
        for row in Session.objects.filter(account=people.root)
    ]
    assert sorted(recent_calls) == [False, True]


def test_where_there_is_a_second_factor_the_password_alone_is_not_enough(people: Any, phone: Any, later: Any):
    root = phone("root")
    client = Client()
    client.post("/login", {"login": "root", "password": PASSWORD})
    client.post("/login/code", {"code": root.code()})
    later(minutes=11)
    assert b'name="code"' in client.get("/confirm").content
    for code in ("", root.wrong()):
        assert client.post("/confirm", {"password": PASSWORD, "code": code}).status_code == 422
        assert not recently_authenticated("root")
    assert client.post("/confirm", {"password": PASSWORD, "code": root.code()}).status_code == 302
    assert recently_authenticated("root")


def test_nobody_confirms_anything(people: Any, actor_of: Any):
    assert Client().get("/confirm")["Location"].startswith("/login")
    with pytest.raises(Unauthorized):
        session_confirm(None, PASSWORD, "", actor=actor_of("root"))


def test_who_is_fresh_without_a_session(people: Any, actor_of: Any):
    key = key_create(actor=actor_of("root"), account=people.root).key
    assert not actor_of_key(key, "api").recently_authenticated
    assert actor_of_user(people.root, "cli").recently_authenticated
    assert SYSTEM.recently_authenticated
    assert not actor_of_user(people.root, "api").recently_authenticated
    assert not actor_of_user(people.root, "console").recently_authenticated
    assert not Actor(None, "api").recently_authenticated
    require_recent_auth(actor_of_key(key, "api"))
    with pytest.raises(ReauthenticationRequired):
        require_recent_auth(actor_of_user(people.root, "console"))


def test_a_fragment_is_led_to_the_page_and_back_to_where_the_visitor_was(people: Any, stale: Any):
    client = stale("bob")
    headers = {**HX, "HX-Current-URL": "http://testserver/account/factor?a=1"}
    answer = client.post("/account/factor/new", {"code": "1"}, headers=headers)
    assert answer.status_code != 204
    answer = client.get("/account/factor/new", headers=HX)
    assert (answer.status_code, answer["HX-Redirect"]) == (403, "/confirm?next=/account/factor/new")


@pytest.fixture
def from_directory(people: Any) -> Any:
    """Rita as a directory's person, who has no password here."""
    people.rita.set_unusable_password()
    people.rita.save()
    provider = AuthProvider.objects.create(kind="openldap", enabled=True)
    Identity.objects.create(
        user=people.rita, provider=provider, kind="openldap_user", external_id="u1", login="rita.l", name="Rita"
    )
    return people.rita


def test_a_directory_s_person_is_asked_for_the_directory_s_password(
    from_directory: Any, actor_of: Any, people: Any, monkeypatch: pytest.MonkeyPatch
):
    from apps.accounts.login import credentials

    attempts_made: list[tuple[str, str]] = []

    def directory(_request: Any, username: str, password: str) -> Any:
        attempts_made.append((username, password))
        return people.rita if password == "right" else people.bob if password == "bob's" else None

    monkeypatch.setattr(credentials, "authenticate", directory)
    assert can_reauthenticate(from_directory)
    password_confirm(from_directory, "right", actor=actor_of("rita"))
    assert attempts_made == [("rita.l", "right")]
    with pytest.raises(Invalid):
        password_confirm(from_directory, "bob's", actor=actor_of("rita"))
    with pytest.raises(Unauthorized):
        password_confirm(from_directory, "wrong", actor=actor_of("rita"))


def test_a_github_person_is_asked_to_log_in_again(from_directory: Any, enter_as: Any, actor_of: Any):
    AuthProvider.objects.update(kind="github")
    assert not can_reauthenticate(from_directory)
    page = enter_as(from_directory).get("/confirm").content.decode()
    assert "Log out and log in again through your provider" in page
    assert 'name="password"' not in page
    with pytest.raises(Invalid):
        password_confirm(from_directory, "anything", actor=actor_of("rita"))


@pytest.fixture
def enter_as() -> Any:
    """A browser in which an account is logged in, whatever the way."""

    def make(user: Any) -> Client:
        client = Client()
        client.force_login(user, backend="apps.accounts.providers.LocalBackend")
        return client

    return make
