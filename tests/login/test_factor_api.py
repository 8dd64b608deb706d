"""The second factor over the API: required for the token, set up and removed by actions."""

from __future__ import annotations

from typing import Any

import pyotp
import pytest

from apps.accounts.login import second_factor
from apps.accounts.models import FailedLogin

PASSWORD = "correct horse battery staple"


def path_of(user: Any, action: str) -> str:
    return f"secondfactors/1sf{user.pk}/?action={action}"


def test_a_token_takes_the_code_too(people: Any, phone: Any, nobody: Any, program: Any):
    bob = phone("bob")
    answer = nobody.post("token", {"code": f"bob:{PASSWORD}"})
    assert (answer.status, answer.body["code"], answer.body["fieldName"]) == (401, "TotpRequired", "totp")
    assert "jwt" not in answer.body
    assert program("bob", totp=bob.code()).get("projects").status == 200


def test_a_wrong_password_learns_nothing_about_codes(people: Any, phone: Any, nobody: Any):
    bob = phone("bob")
    answer = nobody.post("token", {"code": "bob:wrong", "totp": bob.code()})
    assert (answer.status, answer.body["code"]) == (401, "Unauthorized")
    assert "fieldName" not in answer.body


@pytest.mark.parametrize("code", ["000000", "x", "²²²²²²", "a" * 4000])
def test_a_wrong_code_is_refused_and_counted(people: Any, phone: Any, nobody: Any, code: str):
    phone("bob")
    answer = nobody.post("token", {"code": f"bob:{PASSWORD}", "totp": code})
    assert (answer.status, answer.body["code"]) == (401, "Unauthorized")
    assert FailedLogin.objects.filter(login="bob").count() == 1


def test_a_code_that_is_no_text_is_refused_by_name(people: Any, phone: Any, nobody: Any):
    phone("bob")
    answer = nobody.post("token", {"code": f"bob:{PASSWORD}", "totp": ["123456"]})
    assert (answer.status, answer.body["fieldName"]) == (422, "totp")


def test_a_code_is_taken_once_and_a_recovery_code_once(people: Any, phone: Any, nobody: Any):
    bob = phone("bob")
    for code in (bob.code(), bob.recovery[0]):
        body = {"code": f"bob:{PASSWORD}", "totp": code}
        assert [nobody.post("token", body).status for _ in range(2)] == [201, 401]


def test_guessing_codes_gets_slow(people: Any, phone: Any, nobody: Any):
    bob = phone("bob")
    for _ in range(8):
        nobody.post("token", {"code": f"bob:{PASSWORD}", "totp": bob.wrong()})
    assert nobody.post("token", {"code": f"bob:{PASSWORD}", "totp": bob.code()}).status == 429


def test_a_code_where_none_is_needed_harms_nothing(people: Any, nobody: Any):
    assert nobody.post("token", {"code": f"bob:{PASSWORD}", "totp": "123456"}).status == 201


def test_where_it_is_required_the_console_is_named(people: Any, nobody: Any, set_to: Any):
    set_to("totp.required", "all")
    answer = nobody.post("token", {"code": f"bob:{PASSWORD}"})
    assert (answer.status, answer.body["code"]) == (401, "TotpEnrolmentRequired")
    assert nobody.post("token", {"code": f"root:{PASSWORD}"}).status == 201


def test_setting_it_up_by_actions(people: Any, program: Any, nobody: Any):
    bob = program("bob")
    row = bob.get("secondfactors").body["data"][0]
    assert (row["enabled"], row["required"], row["recoveryCodesLeft"]) == (False, False, 0)
    assert set(row["actions"]) == {"enrol", "confirm"}
    enrolment = bob.post(path_of(people.bob, "enrol")).body
    assert enrolment["uri"].startswith("otpauth://totp/Corral:bob?secret=" + enrolment["secret"])
    wrong = bob.post(path_of(people.bob, "confirm"), {"code": "nonsense"})
    assert (wrong.status, wrong.body["fieldName"]) == (422, "code")
    made = bob.post(path_of(people.bob, "confirm"), {"code": pyotp.TOTP(enrolment["secret"]).now()})
    assert (made.status, len(made.body["codes"])) == (200, 10)
    assert bob.get("projects").status == 401
    assert nobody.post("token", {"code": f"bob:{PASSWORD}"}).body["code"] == "TotpRequired"


def test_a_factor_that_is_on_tells_nothing_secret(people: Any, phone: Any, program: Any):
    bob = phone("bob")
    token = program("bob", totp=bob.code())
    row = token.get("secondfactors").body["data"][0]
    assert (row["enabled"], row["recoveryCodesLeft"]) == (True, 10)
    assert row["createdTS"] > 0
    assert set(row["actions"]) == {"disable", "renewcodes"}
    assert bob.totp.secret not in str(row)
    assert token.post(path_of(people.bob, "enrol")).status == 422


def test_renewing_and_turning_off_take_a_code(people: Any, phone: Any, program: Any):
    bob = phone("bob")
    token = program("bob", totp=bob.code())
    for action in ("renewcodes", "disable"):
        for body in ({}, {"code": bob.wrong()}):
            answer = token.post(path_of(people.bob, action), body)
            assert (answer.status, answer.body["fieldName"]) == (422, "code")
    renewed = token.post(path_of(people.bob, "renewcodes"), {"code": bob.code()}).body["codes"]
    assert not set(renewed) & set(bob.recovery)
    assert token.post(path_of(people.bob, "disable"), {"code": bob.code()}).status == 202
    assert second_factor.factor_of(people.bob) is None


def test_another_s_factor_is_not_there(people: Any, phone: Any, program: Any):
    bob = phone("bob")
    alice = program("alice")
    assert len(alice.get("secondfactors").body["data"]) == 1
    for action in ("enrol", "confirm", "renewcodes", "disable", "reset"):
        assert alice.post(path_of(people.bob, action), {"code": bob.code()}).status == 404


def test_an_administrator_resets_it_but_does_nothing_else_to_it(people: Any, phone: Any, program: Any):
    bob, root = phone("bob"), program("root")
    rows = {row["accountId"]: row for row in root.get("secondfactors").body["data"]}
    row = rows[f"1a{people.bob.pk}"]
    assert set(row["actions"]) == {"reset"}
    for action in ("renewcodes", "disable"):
        assert root.post(path_of(people.bob, action), {"code": bob.code()}).status == 422
    assert root.post(path_of(people.bob, "reset")).status == 202
    assert second_factor.factor_of(people.bob) is None


def test_a_token_that_is_not_fresh_must_log_in_again_first(people: Any, phone: Any, program: Any, later: Any):
    phone("bob")
    root, alice = program("root"), program("alice")
    later(minutes=11)
    for token, path in ((root, path_of(people.bob, "reset")), (alice, path_of(people.alice, "enrol"))):
        answer = token.post(path)
        assert (answer.status, answer.body["code"]) == (403, "ReauthenticationRequired")
    assert second_factor.factor_of(people.bob) is not None
    assert program("root").post(path_of(people.bob, "reset")).status == 202


def test_somebody_without_a_factor_has_nothing_to_reset(people: Any, program: Any):
    assert program("root").post(path_of(people.bob, "reset")).status == 422


def test_a_code_is_never_written_down(people: Any, phone: Any, nobody: Any, caplog: Any):
    from apps.control.models import AuditEntry

    bob = phone("bob")
    code = bob.code()
    nobody.post("token", {"code": f"bob:{PASSWORD}", "totp": code})
    nobody.post("token", {"code": f"bob:{PASSWORD}", "totp": bob.recovery[0]})
    enrolment = str(list(AuditEntry.all_objects.values())) + caplog.text
    assert not [secret for secret in (PASSWORD, bob.recovery[0], bob.totp.secret) if secret in enrolment]
    assert f"'{code}'" not in enrolment
