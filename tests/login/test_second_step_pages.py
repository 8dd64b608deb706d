"""What the pages of the second step show: whose login it is, which keyboard a phone offers, and codes to copy."""

from __future__ import annotations

import html
import re
from typing import Any

import pyotp
import pytest
from django.test import Client

PASSWORD = "correct horse battery staple"
KEYPAD = 'inputmode="numeric"'


@pytest.fixture
def typed(people: Any) -> Any:
    """A browser after the right password, before the second step."""

    def make(login: str) -> Client:
        client = Client()
        client.post("/login", {"login": login, "password": PASSWORD})
        return client

    return make


def page(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def listed(text: str) -> list[str]:
    return re.findall(r"<li>([a-z0-9-]{19})</li>", text)


def copied(text: str) -> list[str]:
    """The lines that the button "Copy all" copies."""
    found = re.search(r'data-copy="([a-z0-9\s&#;-]+)">', text)
    assert found, text
    return html.unescape(found[1]).split("\n")


def test_the_second_step_says_whose_it_is_and_takes_letters_too(people: Any, phone: Any, typed: Any):
    phone("bob")
    text = page(typed("bob"), "/login/code")
    assert "authenticator code for bob." in text
    assert KEYPAD not in text  # a recovery code has letters
    assert 'href="/login"' in text


def test_setting_it_up_says_for_whom_offers_digits_and_leads_back(people: Any, set_to: Any, typed: Any):
    set_to("totp.required", "all")
    text = page(typed("bob"), "/login/enrol")
    assert "An administrator requires it for bob." in text
    assert KEYPAD in text
    assert 'href="/login"' in text


def test_a_wrong_code_keeps_the_name_and_the_keypad(people: Any, set_to: Any, typed: Any):
    set_to("totp.required", "all")
    client = typed("bob")
    client.get("/login/enrol")
    answer = client.post("/login/enrol", {"code": "000000"})
    assert (answer.status_code, KEYPAD in answer.content.decode()) == (403, True)
    assert "An administrator requires it for bob." in answer.content.decode()


def test_the_codes_of_the_log_in_are_copied_all_at_once(people: Any, set_to: Any, typed: Any):
    set_to("totp.required", "all")
    client = typed("bob")
    secret = re.search(r'data-copy="([A-Z2-7]{32})"', page(client, "/login/enrol"))
    assert secret
    text = client.post("/login/enrol", {"code": pyotp.TOTP(secret[1]).now()}).content.decode()
    assert len(listed(text)) == 10
    assert copied(text) == [*listed(text), ""]


def test_new_codes_of_one_s_account_are_copied_all_at_once_too(people: Any, phone: Any, typed: Any):
    bob = phone("bob")
    client = typed("bob")
    client.post("/login/code", {"code": bob.code()})
    sent = {"code": bob.recovery[0]}
    text = client.post("/account/factor/codes", sent, headers={"HX-Request": "true"}).content.decode()
    assert copied(text) == [*listed(text), ""]
    assert set(listed(text)).isdisjoint(bob.recovery)


def test_one_s_account_offers_digits_for_the_first_code_and_letters_later(people: Any, phone: Any, browser: Any):
    assert KEYPAD in page(browser("alice"), "/account/factor/new")
    bob = phone("bob")
    client = browser("bob")
    client.post("/login/code", {"code": bob.code()})
    assert KEYPAD not in page(client, "/account/factor/codes")
