"""Open mode: off by default, switched on by an administrator with the password, and over at once."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.login.open_mode import (
    WARNING,
    open_mode_enabled,
    open_mode_off,
    open_mode_on,
    open_mode_user,
    warn_if_open_mode,
)
from apps.accounts.services import account_act, account_create, key_create
from apps.console.administration.setting_sections import ADVANCED, SECTIONS
from apps.control.models import AuditEntry
from apps.core.defaults import OPEN_MODE
from apps.core.errors import Forbidden, Invalid, ReauthenticationRequired
from apps.core.hooks import hooks
from apps.core.services import setting_reset, setting_write
from apps.environments.actor import actor_of_anonymous, actor_of_user
from apps.environments.services import environment_key_create
from celery_app.beat import SCHEDULE

PASSWORD = "correct horse battery staple"
ENFORCE = {"X-ENFORCE-AUTHENTICATION": "true"}
WRONG = {
    "no key": {},
    "wrong key": {"Authorization": "Basic d3Jvbmc6a2V5"},
    "not even a key": {"Authorization": "Basic !!!"},
    "wrong token": {"Authorization": "Bearer wrong"},
}


@pytest.fixture
def opened(people: Any, set_to: Any) -> None:
    """Access control is off."""
    set_to(OPEN_MODE, "false")


def role_of(answer: Any) -> str:
    """What an account list shows: all accounts to an administrator."""
    return "admin" if len(answer.body["data"]) > 1 else "user"


@pytest.mark.parametrize("what", WRONG)
def test_by_default_who_proves_nothing_is_nobody(people: Any, nobody: Any, what: str):
    assert not open_mode_enabled()
    assert nobody.get("accounts", **WRONG[what]).status == 401


@pytest.mark.parametrize("value", ["", "true", "0", "no", "off", "FALSE", "nonsense"])
def test_only_the_word_false_opens(people: Any, nobody: Any, set_to: Any, value: str):
    set_to(OPEN_MODE, value)
    assert nobody.get("accounts").status == 401
    assert Client().get("/environments").status_code == 302


@pytest.mark.parametrize("what", WRONG)
def test_in_open_mode_who_proves_nothing_is_the_administrator(people: Any, opened: None, nobody: Any, what: str):
    answer = nobody.get("accounts", **WRONG[what])
    assert (answer.status, role_of(answer)) == (200, "admin")


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("word", ["true", "TRUE"])
def test_a_request_may_ask_to_be_checked(people: Any, opened: None, nobody: Any, what: str, word: str):
    assert nobody.get("accounts", **WRONG[what], **{"X-Enforce-Authentication": word}).status == 401


def test_a_valid_credential_still_acts_as_its_account(people: Any, opened: None, program: Any):
    assert role_of(program("bob").get("accounts")) == "user"


def test_another_site_s_page_is_not_the_administrator(people: Any, opened: None, nobody: Any):
    assert nobody.get("accounts", Origin="http://evil.example").status == 401
    assert nobody.get("accounts", Origin="null").status == 401
    assert nobody.get("accounts", Origin="http://testserver").status == 200


def test_the_console_needs_no_log_in_and_shouts(people: Any, opened: None):
    page = Client().get("/environments").content.decode()
    assert 'class="alarm"' in page
    assert 'class="bang"' in page
    assert Client().get("/admin/accounts").status_code == 200


def test_with_access_control_on_nothing_shouts(people: Any, browser: Any):
    page = browser("root").get("/environments").content.decode()
    assert 'class="bang"' not in page


def test_who_is_logged_in_is_who_they_are(people: Any, opened: None, browser: Any):
    bob, root = browser("bob"), browser("root")
    assert bob.get("/admin/accounts").status_code == 404
    assert 'class="bang"' not in bob.get("/environments").content.decode()
    assert 'class="bang"' in root.get("/environments").content.decode()


def test_forms_still_need_their_token(people: Any, opened: None):
    client = Client(enforce_csrf_checks=True)
    assert client.post("/environments/new", {"name": "x"}).status_code == 403


def test_the_log_in_page_of_the_api_tells(people: Any, opened: None, nobody: Any):
    auth_state = nobody.get("token").body["data"][0]
    assert (auth_state["security"], auth_state["enabled"]) == (False, False)


def test_anonymous_visitors_act_as_the_first_active_administrator(people: Any, opened: None, actor_of: Any):
    assert open_mode_user() == people.root
    second = account_create(actor=actor_of("root"), login="second", password=PASSWORD, kind="admin")
    account_act(people.root, "deactivate", actor=actor_of("root"))
    assert open_mode_user() == second


def test_without_an_administrator_nobody_stands_in(db: None, set_to: Any, nobody: Any):
    set_to(OPEN_MODE, "false")
    assert open_mode_user() is None
    assert nobody.get("accounts").status == 401


def test_an_administrator_switches_it_on_with_the_password_and_it_is_said_loudly(
    people: Any, actor_of: Any, caplog: pytest.LogCaptureFixture
):
    open_mode_on(PASSWORD, actor=actor_of("root"))
    assert open_mode_enabled()
    assert (logging.CRITICAL, WARNING) in [(each.levelno, each.message) for each in caplog.records]
    assert AuditEntry.all_objects.get(event="security.open").account == people.root


@pytest.mark.parametrize("who", ["alice", "bob", "mallory"])
def test_nobody_else_switches_it(people: Any, actor_of: Any, who: str):
    with pytest.raises(Forbidden):
        open_mode_on(PASSWORD, actor=actor_of(who))
    with pytest.raises(Forbidden):
        open_mode_off(actor=actor_of(who))
    assert not open_mode_enabled()


@pytest.mark.parametrize("password", ["", "wrong"])
def test_without_the_password_it_stays_off(people: Any, actor_of: Any, password: str):
    with pytest.raises(Invalid):
        open_mode_on(password, actor=actor_of("root"))
    assert not open_mode_enabled()


def test_an_old_log_in_is_not_enough_even_with_the_password(people: Any):
    with pytest.raises(ReauthenticationRequired):
        open_mode_on(PASSWORD, actor=actor_of_user(people.root, "console"))


def test_an_environment_s_key_of_an_administrator_is_not_enough(people: Any, lab: Any, actor_of: Any):
    from apps.environments.actor import actor_of_key

    made = environment_key_create(actor=actor_of("root"), environment=lab, name="ci")
    with pytest.raises(Forbidden):
        open_mode_on(PASSWORD, actor=actor_of_key(made.key, "api"))


def test_it_is_no_ordinary_setting(people: Any, actor_of: Any, program: Any, browser: Any):
    for do in (setting_write, lambda name, _value, *, actor: setting_reset(name, actor=actor)):
        with pytest.raises(Forbidden, match="of its own"):
            do(OPEN_MODE, "false", actor=actor_of("root"))
    root = program("root")
    assert root.call("PUT", f"settings/{OPEN_MODE}", {"value": "false"}).status == 403
    assert root.call("DELETE", f"settings/{OPEN_MODE}").status == 403
    browser("root").post(f"/admin/settings/{OPEN_MODE}", {"value": "false"})
    assert not open_mode_enabled()


def test_anonymous_visitors_change_nothing_about_who_gets_in(people: Any, opened: None, nobody: Any):
    actor = actor_of_anonymous(people.root, "api")
    assert actor.is_admin
    assert not actor.recently_authenticated
    for name in ("session.limit", "totp.required", "api.auth.jwt.token.expiry"):
        with pytest.raises(ReauthenticationRequired):
            setting_write(name, "1", actor=actor)
    with pytest.raises(ReauthenticationRequired):
        open_mode_on(PASSWORD, actor=actor)
    answer = nobody.call("PUT", "settings/session.limit", {"value": "1"})
    assert (answer.status, answer.body["code"]) == (403, "ReauthenticationRequired")


def test_off_again_at_once(people: Any, opened: None, nobody: Any, monkeypatch: pytest.MonkeyPatch):
    auth_state: list[Any] = []
    monkeypatch.setattr(hooks, "rights_changed", [auth_state.append])
    client = Client()
    assert client.get("/environments").status_code == 200
    assert nobody.post("openmodes", {"enabled": False}).body["enabled"] is False
    assert {"account": people.root.pk} in auth_state
    assert nobody.get("accounts").status == 401
    assert client.get("/environments").status_code == 302


def test_the_api_switches_it_with_the_password(people: Any, program: Any, nobody: Any):
    root = program("root")
    assert root.get("openmodes").body["data"][0]["enabled"] is False
    for body in ({"enabled": True}, {"enabled": True, "password": "wrong"}):
        answer = root.post("openmodes", body)
        assert (answer.status, answer.body["fieldName"]) == (422, "password")
    answer = root.post("openmodes", {"enabled": True, "password": PASSWORD})
    assert (answer.status, answer.body["enabled"], answer.body["password"]) == (201, True, None)
    assert nobody.get("openmodes/openmode").body["enabled"] is True
    assert program("bob").get("openmodes").status == 404


def test_the_page_switches_it_with_the_password(people: Any, browser: Any):
    root = browser("root")
    assert b"acts as the administrator" in root.get("/admin/open-mode").content
    answer = root.post("/admin/open-mode", {"password": "wrong"}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert not open_mode_enabled()
    root.post("/admin/open-mode", {"password": PASSWORD}, headers={"HX-Request": "true"})
    assert open_mode_enabled()
    assert b"Anonymous visitors act as root" in root.get("/admin/open-mode").content
    assert root.get("/admin/open-mode/close").status_code == 405
    root.post("/admin/open-mode/close", headers={"HX-Request": "true"})
    assert not open_mode_enabled()
    assert browser("alice").get("/admin/open-mode").status_code == 404


def test_every_minute_the_log_says_so(people: Any, opened: None, caplog: Any):
    for _ in range(2):
        warn_if_open_mode()
    assert [each.message for each in caplog.records].count(WARNING) == 2
    assert SCHEDULE["warn-if-open-mode"]["schedule"] == 60


def test_with_access_control_on_the_log_is_silent(people: Any, caplog: Any):
    warn_if_open_mode()
    assert WARNING not in caplog.text


def test_the_start_says_so(people: Any, opened: None, capsys: Any, monkeypatch: pytest.MonkeyPatch):
    from portal.boot import startup

    messages: list[str] = []
    monkeypatch.setattr(startup, "say", messages.append)
    startup.prepare()
    assert WARNING in messages


def test_the_command_line_switches_it_off(people: Any, opened: None, capsys: Any):
    from django.core.management import call_command

    call_command("open_mode_off")
    assert "Access control is on" in capsys.readouterr().out
    assert not open_mode_enabled()
    assert AuditEntry.all_objects.get(event="security.closed").account is None


GUARDED = ["session.limit", "session.idle.minutes", "totp.required", "api.auth.jwt.token.expiry", "host.policy.default"]


@pytest.mark.parametrize("name", GUARDED)
def test_access_settings_ask_for_the_password_again(people: Any, browser: Any, later: Any, name: str):
    from apps.core.defaults import DEFAULTS, setting

    root = browser("root")
    later(minutes=11)
    before = DEFAULTS[name].value
    section = next(each.slug for each in (*SECTIONS, ADVANCED) if name in each.settings)
    answer = root.post(f"/admin/settings/{section}", {name: "7"}, headers={"HX-Request": "true"})
    assert answer["HX-Redirect"].startswith("/confirm")
    assert setting(name) == before
    with pytest.raises(ReauthenticationRequired):
        setting_reset(name, actor=actor_of_user(people.root, "api"))


def test_other_settings_do_not(people: Any):
    from apps.core.defaults import setting

    setting_write("retention.audit.days", "30", actor=actor_of_user(people.root, "api"))
    assert setting("retention.audit.days") == "30"


def test_an_account_s_key_of_an_administrator_may_set_them(people: Any, actor_of: Any, nobody: Any, run_loop: Any):
    import base64

    from apps.core.defaults import setting

    made = key_create(actor=actor_of("root"), account=people.root)
    run_loop()
    pair = base64.b64encode(f"{made.key.public_value}:{made.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}
    assert nobody.call("PUT", "settings/session.limit", {"value": "3"}, **headers).status == 200
    assert setting("session.limit") == "3"


def test_an_actor_is_recently_authenticated_again_with_a_proof(people: Any):
    actor = actor_of_user(people.root, "console")
    assert not actor.recently_authenticated
    assert replace(actor, password_confirmed_at=timezone.now()).recently_authenticated


def test_anonymous_visitors_give_themselves_no_lasting_access(people: Any, opened: None, nobody: Any):
    """Rancher's open mode let anybody make an administrator; what outlives it requires authentication here."""
    new = {"login": "eve", "password": PASSWORD, "name": "Eve"}
    tries = [
        nobody.post("accounts", {**new, "kind": "admin"}),
        nobody.call("PUT", f"accounts/1a{people.bob.pk}", {"kind": "admin"}),
        nobody.post("passwords", {"publicValue": "root", "secretValue": "another quite long phrase"}),
    ]
    assert [(each.status, each.body["code"]) for each in tries] == [(403, "ReauthenticationRequired")] * 3
    assert nobody.post("accounts", {**new, "kind": "user"}).status == 201
    people.bob.refresh_from_db()
    people.root.refresh_from_db()
    assert not people.bob.is_admin
    assert people.root.check_password(PASSWORD)
