"""The second factor in the console: set up, required at the login, lost, removed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from apps.accounts.login import second_factor
from apps.accounts.models import (
    FailedLogin,
    RecoveryCode,
    Session,
    Totp,
)
from apps.accounts.services import account_create, record_failed_login
from apps.control.models import AuditEntry
from apps.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    Problem,
    ReauthenticationRequired,
)
from apps.environments.actor import actor_of_user

PASSWORD = "correct horse battery staple"
HX = {"HX-Request": "true"}


@pytest.fixture
def typed(people: Any) -> Any:
    """A browser after the right password, before the second step."""

    def make(login: str, path: str = "/") -> Client:
        client = Client()
        client.post("/login", {"login": login, "password": PASSWORD, "next": path})
        return client

    return make


def secret_on(page: str) -> str:
    found = re.search(r'data-copy="([A-Z2-7]{32})"', page)
    assert found, page
    return found[1]


def test_setting_it_up_shows_a_code_to_scan_and_the_recovery_codes_once(people: Any, browser: Any, phone: Any):
    import pyotp

    client = browser("bob")
    page = client.get("/account/factor/new").content.decode()
    assert "<svg" in page
    secret = secret_on(page)
    answer = client.post("/account/factor/new", {"code": pyotp.TOTP(secret).now()}, headers=HX)
    codes = re.findall(r"<li>([a-z0-9-]{19})</li>", answer.content.decode())
    assert len(codes) == 10
    assert answer["Cache-Control"] == "no-store"
    page = client.get("/account/factor").content.decode()
    assert secret not in page
    assert not [code for code in codes if code in page]
    assert client.get("/account/factor/new").status_code != 200


def test_reloading_the_page_shows_the_same_secret_until_it_is_confirmed(people: Any, browser: Any, later: Any):
    client = browser("bob")
    first = secret_on(client.get("/account/factor/new").content.decode())
    assert secret_on(client.get("/account/factor/new").content.decode()) == first
    Totp.objects.update(created="2020-01-01T00:00:00Z")
    assert secret_on(client.get("/account/factor/new").content.decode()) != first


def test_a_wrong_first_code_sets_nothing_up(people: Any, browser: Any, typed: Any):
    client = browser("bob")
    client.get("/account/factor/new")
    answer = client.post("/account/factor/new", {"code": "12345x"}, headers=HX)
    assert answer.status_code == 422
    assert "This code is wrong" in answer.content.decode()
    assert second_factor.factor_of(people.bob) is None
    assert typed("bob").get("/environments").status_code == 200


def test_setting_it_up_ends_the_other_sessions(people: Any, browser: Any, is_in: Any, phone: Any):
    import pyotp

    here, there = browser("bob"), browser("bob")
    secret = secret_on(here.get("/account/factor/new").content.decode())
    here.post("/account/factor/new", {"code": pyotp.TOTP(secret).now()})
    assert (is_in(here), is_in(there)) == (True, False)


def test_the_secret_is_not_in_the_table_in_clear(people: Any, phone: Any):
    from django.db import connection

    secret = phone("bob").totp.secret
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM accounts_totp")
        assert secret not in str(cursor.fetchall())
        cursor.execute("SELECT * FROM accounts_recoverycode")
        rows = str(cursor.fetchall())
    assert not [code for code in phone("alice").recovery if code in rows]


def test_the_password_alone_does_not_log_in(people: Any, phone: Any, typed: Any, is_in: Any):
    phone("bob")
    client = typed("bob", "/account/keys")
    assert not is_in(client)
    assert client.get("/v1/projects", headers={"Accept": "application/json"}).status_code == 401
    assert Session.objects.filter(account=people.bob).count() == 0
    assert AuditEntry.all_objects.filter(event="login").count() == 0


def test_password_and_code_log_in_and_lead_where_one_wanted(people: Any, phone: Any, typed: Any, is_in: Any):
    bob = phone("bob")
    client = typed("bob", "/account/keys")
    assert client.get("/login/code").status_code == 200
    answer = client.post("/login/code", {"code": bob.code()})
    assert (answer.status_code, answer["Location"]) == (302, "/account/keys")
    assert is_in(client)
    assert AuditEntry.all_objects.get(event="login").account == people.bob


def test_the_cookie_of_the_first_step_is_not_that_of_the_session(people: Any, phone: Any, typed: Any):
    bob = phone("bob")
    client = typed("bob")
    before = client.cookies["corral_session"].value
    client.post("/login/code", {"code": bob.code()})
    assert client.cookies["corral_session"].value != before
    other = Client()
    other.cookies["corral_session"] = before
    assert other.get("/environments").status_code == 302


def test_a_code_is_taken_once(people: Any, phone: Any, typed: Any, is_in: Any):
    bob = phone("bob")
    code = bob.code()
    first, second = typed("bob"), typed("bob")
    first.post("/login/code", {"code": code})
    answer = second.post("/login/code", {"code": code})
    assert answer.status_code == 403
    assert "was used already" in answer.context["error"]
    assert (is_in(first), is_in(second)) == (True, False)


def test_of_two_at_the_same_moment_one_gets_in(people: Any, phone: Any, monkeypatch: pytest.MonkeyPatch):
    bob = phone("bob")
    code = bob.code()
    old_client = second_factor.factor_of(people.bob)
    second_factor.code_check(people.bob, code, address="")
    monkeypatch.setattr(second_factor, "factor_of", lambda _user: old_client)
    with pytest.raises(Invalid):
        second_factor.code_check(people.bob, code, address="")


def test_a_recovery_code_stands_in_once(people: Any, phone: Any, typed: Any, is_in: Any):
    bob = phone("bob")
    code = bob.recovery[3].upper().replace("-", " ")
    first, second = typed("bob"), typed("bob")
    first.post("/login/code", {"code": code})
    second.post("/login/code", {"code": code})
    assert (is_in(first), is_in(second)) == (True, False)
    assert second_factor.recovery_codes_left(people.bob) == 9
    assert AuditEntry.all_objects.get(event="factor.recovery").request == {"left": 9}


def test_another_s_recovery_code_opens_nothing(people: Any, phone: Any, typed: Any, is_in: Any):
    phone("bob")
    alice = phone("alice")
    client = typed("bob")
    client.post("/login/code", {"code": alice.recovery[0]})
    assert not is_in(client)
    assert second_factor.recovery_codes_left(people.alice) == 10


def test_guessing_codes_gets_slow_even_with_the_right_password(people: Any, phone: Any, typed: Any, is_in: Any):
    bob = phone("bob")
    client = typed("bob")
    for _ in range(8):
        client.post("/login/code", {"code": bob.wrong()})
    answer = client.post("/login/code", {"code": bob.code()})
    assert "Too many failed log-ins" in answer.context["error"]
    assert (
        "Too many failed log-ins"
        in typed("bob").post("/login", {"login": "bob", "password": PASSWORD}).context["error"]
    )
    assert FailedLogin.objects.filter(login="bob").count() == 8
    assert not is_in(client)


def test_a_right_password_does_not_forget_wrong_codes(people: Any, phone: Any, typed: Any):
    bob = phone("bob")
    for _ in range(8):
        typed("bob").post("/login/code", {"code": bob.wrong()})
    assert FailedLogin.objects.filter(login="bob").count() == 8


@pytest.mark.parametrize("path", ["/login/code", "/login/enrol"])
def test_without_a_password_there_is_no_second_step(people: Any, phone: Any, path: str):
    bob = phone("bob")
    for client in (Client(), Client()):
        assert client.get(path)["Location"] == "/login"
        assert client.post(path, {"code": bob.code()})["Location"] == "/login"


def test_the_second_step_must_follow_soon(people: Any, phone: Any, typed: Any, is_in: Any, monkeypatch: Any):
    from apps.console.login import login_totp

    bob = phone("bob")
    client = typed("bob")
    monkeypatch.setattr(login_totp, "MAX_STEP_SECONDS", -1)
    assert client.post("/login/code", {"code": bob.code()})["Location"] == "/login"
    assert not is_in(client)


CHANGES = {
    "another password": lambda user: user.set_password("another quite long phrase"),
    "deactivated": lambda user: setattr(user, "desired", "inactive"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changes_between_the_steps_counts(people: Any, phone: Any, typed: Any, is_in: Any, what: str):
    bob = phone("bob")
    client = typed("bob")
    CHANGES[what](people.bob)
    people.bob.save()
    assert client.post("/login/code", {"code": bob.code()})["Location"] == "/login"
    assert not is_in(client)


def test_new_recovery_codes_replace_the_old(people: Any, phone: Any, browser: Any, typed: Any):
    bob = phone("bob")
    client = typed("bob")
    client.post("/login/code", {"code": bob.code()})
    answer = client.post("/account/factor/codes", {"code": bob.code()}, headers=HX)
    new = re.findall(r"<li>([a-z0-9-]{19})</li>", answer.content.decode())
    assert len(new) == 10
    assert not set(new) & set(bob.recovery)
    with pytest.raises(Invalid):
        second_factor.code_check(people.bob, bob.recovery[0], address="")
    second_factor.code_check(people.bob, new[0], address="")
    refused = client.post("/account/factor/codes", {"code": bob.wrong()}, headers=HX)
    assert refused.status_code == 422
    assert second_factor.recovery_codes_left(people.bob) == 9


def test_turning_it_off_takes_a_code(people: Any, phone: Any, typed: Any, is_in: Any):
    bob = phone("bob")
    client = typed("bob")
    client.post("/login/code", {"code": bob.code()})
    assert client.post("/account/factor/off", {"code": bob.wrong()}, headers=HX).status_code == 422
    assert second_factor.factor_of(people.bob) is not None
    assert client.post("/account/factor/off", {"code": bob.code()}, headers=HX).status_code == 204
    assert not Totp.objects.exists()
    assert not RecoveryCode.objects.exists()
    assert is_in(typed("bob"))


def test_an_administrator_resets_the_factor_of_who_lost_it(
    people: Any, phone: Any, browser: Any, typed: Any, is_in: Any
):
    bob = phone("bob")
    client = typed("bob")
    client.post("/login/code", {"code": bob.code()})
    root = browser("root")
    assert "Reset it" in root.get(f"/admin/accounts/{people.bob.pk}/edit").content.decode()
    assert root.get(f"/admin/accounts/{people.bob.pk}/factor").status_code == 200
    answer = root.post(f"/admin/accounts/{people.bob.pk}/factor", headers=HX)
    assert "1 session ended" in answer["HX-Trigger"]
    assert not is_in(client)
    assert is_in(typed("bob"))
    assert AuditEntry.all_objects.get(event="factor.reset").account == people.root


@pytest.mark.parametrize("who", ["alice", "bob", "mallory"])
def test_nobody_else_resets_it(people: Any, phone: Any, browser: Any, actor_of: Any, who: str):
    phone("rita")
    assert browser(who).post(f"/admin/accounts/{people.rita.pk}/factor", headers=HX).status_code == 404
    with pytest.raises(Forbidden):
        second_factor.factor_reset(people.rita, actor=actor_of(who))
    assert second_factor.factor_of(people.rita) is not None


def test_an_administrator_who_proved_nothing_lately_is_asked_first(people: Any, phone: Any, browser: Any, later: Any):
    phone("bob")
    root = browser("root")
    later(minutes=11)
    answer = root.post(f"/admin/accounts/{people.bob.pk}/factor", headers=HX)
    assert answer["HX-Redirect"].startswith("/confirm?next=")
    assert second_factor.factor_of(people.bob) is not None


def test_setting_up_is_for_who_proved_who_they_are(people: Any, browser: Any, later: Any, actor_of: Any):
    client = browser("bob")
    later(minutes=11)
    answer = client.get("/account/factor/new")
    assert answer["Location"] == "/confirm?next=/account/factor/new"
    assert not Totp.objects.exists()
    with pytest.raises(ReauthenticationRequired):
        second_factor.enrolment(people.bob, actor=actor_of_user(people.bob, "console"))


def test_there_is_one_factor_and_none_for_provider_accounts(people: Any, phone: Any):
    phone("bob")
    with pytest.raises(Conflict):
        second_factor.enrolment(people.bob)
    people.rita.set_unusable_password()
    people.rita.save()
    with pytest.raises(Invalid, match="provider"):
        second_factor.enrolment(people.rita)


def test_a_code_without_a_set_up_is_wrong(people: Any, actor_of: Any):
    with pytest.raises(Invalid):
        second_factor.enrol(people.bob, "123456", actor=actor_of("bob"))
    for _ in range(8):
        record_failed_login("bob", "")
    with pytest.raises(Problem) as slow:
        second_factor.enrol(people.bob, "123456", actor=actor_of("bob"))
    assert slow.value.status == 429


WHOM = [
    ("none", "root", False), ("none", "bob", False), ("admins", "second", True), ("admins", "bob", False),
    ("all", "bob", True), ("all", "second", True), ("nonsense", "bob", False),
]  # fmt: skip


@pytest.mark.parametrize(("value", "who", "required"), WHOM)
def test_the_setting_says_of_whom_it_is_required(
    people: Any, actor_of: Any, set_to: Any, value: str, who: str, required: bool
):
    set_to("totp.required", value)
    second = account_create(actor=actor_of("root"), login="second", password=PASSWORD, kind="admin")
    user = second if who == "second" else getattr(people, who)
    assert second_factor.requires_second_factor(user) == required


def test_the_last_administrator_with_a_password_is_never_required(people: Any, set_to: Any, typed: Any, is_in: Any):
    set_to("totp.required", "all")
    assert not second_factor.requires_second_factor(people.root)
    assert is_in(typed("root"))


def test_where_it_is_required_the_log_in_sets_it_up(people: Any, set_to: Any, typed: Any, is_in: Any):
    import pyotp

    set_to("totp.required", "all")
    client = typed("bob", "/account/keys")
    assert not is_in(client)
    page = client.get("/login/enrol").content.decode()
    assert client.post("/login/enrol", {"code": "nonsense"}).status_code == 403
    assert not is_in(client)
    answer = client.post("/login/enrol", {"code": pyotp.TOTP(secret_on(page)).now()})
    assert len(re.findall(r"<li>[a-z0-9-]{19}</li>", answer.content.decode())) == 10
    assert 'href="/account/keys"' in answer.content.decode()
    assert is_in(client)
    second_code = typed("bob")
    assert second_code.get("/login/enrol")["Location"] == "/login"
    assert second_code.get("/login/code").status_code == 200


def test_where_it_is_required_it_stays_on(people: Any, set_to: Any, phone: Any, typed: Any, actor_of: Any):
    bob = phone("bob")
    set_to("totp.required", "all")
    with pytest.raises(Forbidden, match="requires"):
        second_factor.factor_off(people.bob, bob.code(), actor=actor_of("bob"))
    assert second_factor.factor_of(people.bob) is not None


def test_a_way_in_with_a_factor_of_its_own_is_not_asked_for_ours(people: Any, phone: Any):
    phone("bob")
    assert second_factor.next_login_step(people.bob, "apps.accounts.providers.DirectoryBackend") == ""
    assert second_factor.next_login_step(people.bob, "apps.accounts.providers.LocalBackend") == "code"
