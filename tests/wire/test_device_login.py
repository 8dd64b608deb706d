"""A program that has no key yet: it begins, asks whether it is allowed, and gets its key once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import ApiKey
from apps.control.models import AuditEntry
from apps.control.reconcile import reconcile_until_idle
from apps.control.retention import delete_expired_rows
from apps.core.errors import Conflict, Forbidden
from apps.environments.models import DeviceLogin, Environment
from apps.environments.services import device_login_allow, device_login_deny, device_login_find
from tests.wire.api_client import ApiClient

BEGIN, TOKEN = "/v1/devicelogins", "/v1/devicelogins/token"


def post(path: str, body: Any, **more: Any) -> Any:
    return Client().post(path, body, content_type="application/json", **more)


@pytest.fixture
def begun(lab: Environment) -> dict[str, Any]:
    """What a program got that begins to log in."""
    answer = post(BEGIN, {"machine": "ann@laptop"})
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    found: dict[str, Any] = answer.json()
    return found


def ask(begun: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = post(TOKEN, {"device_code": begun["device_code"]})
    return answer.status_code, answer.json()


def waiting(begun: dict[str, Any]) -> DeviceLogin:
    found = device_login_find(begun["user_code"])
    assert found is not None
    return found


def test_a_program_learns_where_its_code_is_entered(begun: dict[str, Any]):
    assert begun["verification_uri"].endswith("/device")
    assert begun["verification_uri_complete"] == f"{begun['verification_uri']}?code={begun['user_code']}"
    assert (begun["expires_in"], begun["interval"]) == (600, 5)
    assert waiting(begun).machine == "ann@laptop"
    assert begun["device_code"] not in str(DeviceLogin.objects.values())


def test_a_code_is_found_however_it_is_typed(begun: dict[str, Any]):
    code = begun["user_code"]
    for typed in (code, code.lower(), code.replace("-", ""), f" {code} "):
        assert device_login_find(typed) is not None
    for other in ("", "ABCD", code[:-1], code + "X", "\x00" * 9, "é" * 40):
        assert device_login_find(other) is None


def test_who_asks_too_often_is_slowed_down(begun: dict[str, Any]):
    assert ask(begun) == (400, {"error": "authorization_pending"})
    assert ask(begun) == (400, {"error": "slow_down"})
    DeviceLogin.objects.update(polled=timezone.now() - timedelta(seconds=6))
    assert ask(begun) == (400, {"error": "authorization_pending"})


def test_what_was_allowed_is_fetched_once(begun: dict[str, Any], actor_of: Any, lab: Environment):
    device_login_allow(waiting(begun), actor=actor_of("alice"), environment=lab, role="readonly")
    reconcile_until_idle()
    status, found = ask(begun)
    assert (status, found["environment"]) == (200, f"1a{lab.pk}")
    caller = ApiClient(f"{found['access_key']}:{found['secret_key']}")
    assert [each["name"] for each in caller.get("projects")["data"]] == ["Lab"]
    key = ApiKey.objects.get(public_value=found["access_key"])
    assert (key.name, key.scope.role) == ("corral on ann@laptop", "readonly")
    assert ask(begun) == (400, {"error": "expired_token"})
    assert DeviceLogin.objects.get().secret == ""
    entry = AuditEntry.all_objects.get(event="deviceLogin.allow")
    assert "ann@laptop" in str(entry.request)


def test_a_key_of_the_whole_account_has_no_environment(begun: dict[str, Any], actor_of: Any):
    device_login_allow(waiting(begun), actor=actor_of("alice"), environment=None)
    reconcile_until_idle()
    status, found = ask(begun)
    assert (status, found["environment"]) == (200, None)


def test_a_refusal_reaches_the_program(begun: dict[str, Any], actor_of: Any):
    device_login_deny(waiting(begun), actor=actor_of("alice"))
    assert ask(begun) == (400, {"error": "access_denied"})
    assert not ApiKey.objects.filter(name__startswith="corral on").exists()
    assert AuditEntry.all_objects.filter(event="deviceLogin.deny").count() == 1


def test_it_is_answered_once(begun: dict[str, Any], actor_of: Any, lab: Environment):
    row = waiting(begun)
    device_login_deny(row, actor=actor_of("alice"))
    with pytest.raises(Conflict):
        device_login_allow(row, actor=actor_of("alice"), environment=lab)
    assert not ApiKey.objects.filter(name__startswith="corral on").exists()


def test_nobody_gives_more_than_making_a_key_allows(begun: dict[str, Any], actor_of: Any, lab: Environment):
    with pytest.raises(Forbidden):
        device_login_allow(waiting(begun), actor=actor_of("rita"), environment=lab, role="owner")
    assert ask(begun)[1] == {"error": "authorization_pending"}


def test_after_ten_minutes_nothing_is_left(begun: dict[str, Any], actor_of: Any, lab: Environment):
    key = device_login_allow(waiting(begun), actor=actor_of("alice"), environment=lab)
    reconcile_until_idle()
    DeviceLogin.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert ask(begun) == (400, {"error": "expired_token"})
    delete_expired_rows()
    reconcile_until_idle()
    assert not DeviceLogin.objects.exists()
    key.refresh_from_db()
    assert key.desired == "inactive"


def test_a_key_that_was_fetched_outlives_the_log_in(begun: dict[str, Any], actor_of: Any, lab: Environment):
    key = device_login_allow(waiting(begun), actor=actor_of("alice"), environment=lab)
    assert ask(begun)[0] == 200
    DeviceLogin.objects.update(expires=timezone.now() - timedelta(seconds=1))
    delete_expired_rows()
    key.refresh_from_db()
    assert key.desired == "active"


def test_from_one_address_only_a_few_wait(lab: Environment):
    answers = [post(BEGIN, {"machine": "x"}, REMOTE_ADDR="192.0.2.7").status_code for _number in range(12)]
    assert answers == [200] * 10 + [429] * 2
    assert post(BEGIN, {"machine": "x"}, REMOTE_ADDR="192.0.2.8").status_code == 200


@pytest.mark.parametrize("body", ["{", "[]", '{"machine": 3}', '{"machine": "\\u0000\\u001b[31m"}', "null", '"x"'])
def test_what_is_no_request_is_no_failure(lab: Environment, body: str):
    assert post(BEGIN, body).status_code in {200, 400, 422}
    assert post(TOKEN, body).status_code in {400, 422}
    assert all(each.machine.isprintable() for each in DeviceLogin.objects.all())


def test_only_posts_are_answered(lab: Environment):
    assert Client().get(BEGIN).status_code == 405
    assert Client().get(TOKEN).status_code == 405
