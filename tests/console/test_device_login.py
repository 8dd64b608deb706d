"""The page on which a person lets a program have a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import ApiKey, Session
from apps.core.models import Setting
from apps.environments.models import DeviceLogin, Environment
from apps.environments.services import DeviceLoginRefused, device_login_begin, device_login_fetch

PAGE = "/device"


@pytest.fixture(autouse=True)
def clean_cache() -> None:
    cache.clear()


@pytest.fixture
def codes(lab: Environment) -> Any:
    """Those of a program that waits."""
    return device_login_begin(machine="ann@laptop", address="192.0.2.7")


@pytest.fixture
def alice(browser_as: Callable[[str], Client]) -> Client:
    return browser_as("alice")


def test_the_page_says_who_asks_and_from_where(alice: Client, codes: Any):
    text = alice.get(PAGE, {"code": codes.user_code.lower()}).content.decode()
    for word in (codes.user_code, "ann@laptop", "192.0.2.7", "Lab", "only if you have started it yourself"):
        assert word in text


def test_without_a_code_it_asks_for_one(alice: Client):
    assert 'name="code"' in alice.get(PAGE).content.decode()


def test_what_is_allowed_is_fetched_by_the_program(alice: Client, codes: Any, lab: Environment):
    sent = {"code": codes.user_code, "answer": "allow", "environment": lab.pk, "role": "readonly", "expires": "7"}
    answer = alice.post(PAGE, sent)
    assert answer.status_code == 200
    assert "Allowed" in answer.content.decode()
    found = device_login_fetch(codes.device_code)
    assert found.environment_id == lab.pk
    assert found.secret_key not in answer.content.decode()
    key = ApiKey.objects.get(public_value=found.access_key)
    assert (key.scope.role, key.expires is not None) == ("readonly", True)


def test_what_is_refused_gets_nothing(alice: Client, codes: Any):
    answer = alice.post(PAGE, {"code": codes.user_code, "answer": "deny"})
    assert "Refused" in answer.content.decode()
    with pytest.raises(DeviceLoginRefused, match="access_denied"):
        device_login_fetch(codes.device_code)


@pytest.mark.parametrize(
    "sent",
    [
        {"environment": "999999"},
        {"environment": "x\x00"},
        {"role": "nothing"},
        {"expires": "at"},
        {"expires": "x"},
    ],
)
def test_what_cannot_be_chosen_is_refused_and_the_program_goes_on_waiting(
    alice: Client, codes: Any, sent: dict[str, str]
):
    answer = alice.post(PAGE, {"code": codes.user_code, "answer": "allow", "expires": "7", **sent})
    assert answer.status_code == 422
    assert DeviceLogin.objects.get().state == DeviceLogin.WAITING


def test_codes_cannot_be_tried(alice: Client, codes: Any):
    tried = [alice.get(PAGE, {"code": "BCDF-GHJK"}).status_code for _number in range(11)]
    assert tried == [422] * 10 + [429]
    assert alice.get(PAGE, {"code": codes.user_code}).status_code == 429


def test_it_takes_a_log_in(codes: Any):
    Setting.objects.update_or_create(name="api.security.enabled", defaults={"value": "true"})
    answer = Client().get(PAGE, {"code": codes.user_code})
    assert answer.status_code == 302
    assert "/login" in answer["Location"]


def test_an_administrator_confirms_the_password_first(browser_as: Callable[[str], Client], codes: Any):
    """As for any key of an administrator that no role limits."""
    client = browser_as("root")
    Session.objects.update(confirmed=None)
    sent = {"code": codes.user_code, "answer": "allow", "expires": "7"}
    answer = client.post(PAGE, sent)
    assert DeviceLogin.objects.get().state == DeviceLogin.WAITING
    assert answer.status_code == 302
    assert "/confirm" in answer["Location"]
