"""Re-authentication over the API before changes to access, without a new login."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from apps.accounts.models import FailedLogin
from apps.accounts.services import key_create
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle

PASSWORD = "correct horse battery staple"
DOOR = ("localauthconfigs", {"username": "chief", "password": "a brand-new phrase", "name": "C"})


def mine(program: Any) -> str:
    """The URL of the client's own session."""
    rows = program.get("loginsessions").body["data"]
    return next(f"loginsessions/{row['id']}" for row in rows if row["current"])


@pytest.fixture
def stale(program: Any, later: Any) -> Any:
    """An API client that logged in a while ago."""

    def make(login: str, **more: str) -> Any:
        found = program(login, **more)
        later(minutes=11)
        return found

    return make


def test_the_password_again_opens_what_asks_for_it(people: Any, stale: Any, later: Any):
    root = stale("root")
    refused = root.post(*DOOR)
    assert (refused.status, refused.body["code"]) == (403, "ReauthenticationRequired")
    assert "loginSession" in refused.body["message"]
    answer = root.post(f"{mine(root)}?action=confirm", {"password": PASSWORD})
    assert (answer.status, answer.body["current"], "password" in answer.body) == (202, True, False)
    assert root.post(*DOOR).status == 201
    later(minutes=11)
    assert root.post(*DOOR).status == 403


def test_it_is_written_down_without_the_password(people: Any, stale: Any):
    root = stale("root")
    root.post(f"{mine(root)}?action=confirm", {"password": PASSWORD})
    root.post(f"{mine(root)}?action=confirm", {"password": "a wrong guess"})
    assert AuditEntry.all_objects.filter(event="session.confirm", account=people.root, code="202").count() == 1
    (line,) = AuditEntry.all_objects.filter(event="loginSession.confirm")
    assert line.code == "422"
    for row in AuditEntry.all_objects.all():
        assert PASSWORD not in str((row.request, row.response))
        assert "a wrong guess" not in str((row.request, row.response))


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"password": "wrong"}, "password", "InvalidFormat"),
        ({"password": "x" * 5000}, "password", "InvalidFormat"),
        ({}, "password", "MissingRequired"),
        ({"password": 7}, "password", "InvalidFormat"),
    ],
)
def test_what_proves_nothing_is_refused_at_its_field(
    people: Any, stale: Any, body: dict[str, Any], field: str, code: str
):
    root = stale("root")
    answer = root.post(f"{mine(root)}?action=confirm", body)
    assert (answer.status, answer.body["fieldName"], answer.body["code"]) == (422, field, code)
    assert root.post(*DOOR).status == 403


def test_guessing_is_slowed_down(people: Any, stale: Any):
    root = stale("root")
    path = f"{mine(root)}?action=confirm"
    for _ in range(8):
        root.post(path, {"password": "wrong"})
    assert FailedLogin.objects.filter(login="root").exists()
    assert root.post(path, {"password": PASSWORD}).status == 429
    assert root.post(*DOOR).status == 403


def test_where_there_is_a_second_factor_its_code_is_asked_for(people: Any, phone: Any, program: Any, later: Any):
    device = phone("root")
    root = program("root", totp=device.code())
    later(minutes=11)
    path = f"{mine(root)}?action=confirm"
    refused = root.post(path, {"password": PASSWORD})
    assert (refused.status, refused.body["fieldName"]) == (422, "code")
    assert root.post(*DOOR).status == 403
    assert root.post(path, {"password": PASSWORD, "code": device.code()}).status == 202
    assert root.post(*DOOR).status == 201


def test_nobody_speaks_for_another_session(people: Any, stale: Any, program: Any, browser: Any):
    root, other = stale("root"), program("bob")
    browser("root")
    rows = root.get("loginsessions").body["data"]
    assert {row["current"]: set(row["actions"]) for row in rows} == {True: {"confirm"}, False: set()}
    for row in (row for row in rows if not row["current"]):
        answer = root.post(f"loginsessions/{row['id']}?action=confirm", {"password": PASSWORD})
        assert (answer.status, answer.body["code"]) == (422, "ActionNotAvailable")
    assert other.post(f"{mine(root)}?action=confirm", {"password": PASSWORD}).status == 404


def test_a_key_has_no_session_to_confirm(people: Any, program: Any, nobody: Any, actor_of: Any):
    made = key_create(actor=actor_of("root"), account=people.root, name="k")
    reconcile_until_idle()
    path = f"{mine(program('root'))}?action=confirm"
    coded = base64.b64encode(f"{made.key.public_value}:{made.secret}".encode()).decode()
    answer = nobody.post(path, {"password": PASSWORD}, Authorization=f"Basic {coded}")
    assert (answer.status, answer.body["code"]) == (422, "ActionNotAvailable")
    assert nobody.post(path, {"password": PASSWORD}).status == 401
